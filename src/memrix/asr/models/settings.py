"""Which acoustic model: a preset, sizes of a Conformer, or a CTC model of transformers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from memrix.asr.models.conformer import PRESETS, ConformerSettings
from memrix.records import closest

ModelSettings = ConformerSettings


def _model(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        if value not in PRESETS:
            raise ValueError(f"there is no model {value!r}{closest(value, PRESETS)}; the presets are {', '.join(PRESETS)}")
        return PRESETS[value]
    if isinstance(value, dict) and "preset" in value:
        base = _model(value["preset"])
        return {**base.model_dump(), **{key: setting for key, setting in value.items() if key != "preset"}}
    return value


def model_settings(table: dict[str, Any]) -> ModelSettings:
    """Settings of a model from a table.

    Raises:
        pydantic.ValidationError: lists what is wrong; it is a ValueError.
    """
    return ConformerSettings.model_validate(table)


ModelChoice = Annotated[ModelSettings, BeforeValidator(_model)]
