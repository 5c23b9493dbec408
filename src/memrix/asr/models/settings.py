"""Which acoustic model: a preset, sizes of a Conformer, or a CTC model of transformers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag, TypeAdapter

from memrix.asr.models.conformer import PRESETS, ConformerSettings
from memrix.asr.models.transformers_ctc import TransformersSettings
from memrix.toolkit import closest, shown

ModelSettings = ConformerSettings | TransformersSettings


def _expanded(value: Any) -> Any:  # noqa: ANN401
    """A preset by its name, optionally with sizes that differ from it."""
    if isinstance(value, str):
        if value not in PRESETS:
            raise ValueError(
                f"there is no model {value!r}{closest(value, PRESETS)}; presets are {', '.join(PRESETS)}"
            )
        return PRESETS[value]
    if isinstance(value, dict) and "preset" in value:
        changes = {key: setting for key, setting in value.items() if key != "preset"}
        preset = value["preset"]
        return {**_expanded(preset if isinstance(preset, str) else shown(preset)).model_dump(), **changes}
    if not isinstance(value, dict | ConformerSettings | TransformersSettings):
        raise ValueError(f"a model is a preset ({', '.join(PRESETS)}) or a table of settings, got {shown(value)}")
    return value


def _kind(value: Any) -> str:  # noqa: ANN401
    kind = value.get("kind", "conformer") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) else shown(kind)


ModelChoice = Annotated[
    Annotated[ConformerSettings, Tag("conformer")] | Annotated[TransformersSettings, Tag("transformers")],
    Discriminator(_kind),
    BeforeValidator(_expanded),
]


def model_settings(table: dict[str, Any]) -> ModelSettings:
    """Settings of a model from a table.

    Raises:
        ValueError: lists what is wrong.
    """
    adapter: TypeAdapter[ModelSettings] = TypeAdapter(ModelChoice)
    return adapter.validate_python(table)
