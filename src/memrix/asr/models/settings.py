"""Which model: a preset, sizes of a Conformer, a CTC model of transformers, or a sequence-to-sequence model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag, TypeAdapter

from memrix.asr.model_folders import is_hub_name
from memrix.asr.models.conformer import PRESETS, Conformer, ConformerSettings
from memrix.asr.models.transformers_ctc import TransformersCtc, TransformersSettings, build_transformers_ctc
from memrix.asr.outside import PlainText, Settings
from memrix.toolkit import closest, is_folder, shown


class Seq2SeqSettings(Settings):
    """A sequence-to-sequence model of the ``transformers`` library.

    Attributes:
        checkpoint: ``whisper-tiny.en``, a name on the Hugging Face hub, or a folder that ``save_pretrained`` wrote.
    """

    kind: Literal["sequence-to-sequence"] = "sequence-to-sequence"
    checkpoint: PlainText


CtcSettings = ConformerSettings | TransformersSettings
ModelSettings = CtcSettings | Seq2SeqSettings

KNOWN = ("whisper-tiny.en",)
"""Pretrained models that need no hub."""
_WHISPER = "whisper-"


def _expanded(value: Any) -> Any:  # noqa: ANN401
    """A preset by its name, optionally with sizes that differ from it."""
    if isinstance(value, str):
        if value in PRESETS:
            return PRESETS[value]
        if value.startswith(_WHISPER) or is_hub_name(value) or is_folder(value):
            return Seq2SeqSettings(checkpoint=value)
        raise ValueError(
            f"there is no model {value!r}{closest(value, (*PRESETS, *KNOWN))}; presets are {', '.join(PRESETS)}; "
            f"pretrained ones are {', '.join(KNOWN)}, those of the Hugging Face hub (owner/name), and folders"
        )
    if isinstance(value, dict) and "preset" in value:
        changes = {key: setting for key, setting in value.items() if key != "preset"}
        preset = value["preset"]
        return {**_expanded(preset if isinstance(preset, str) else shown(preset)).model_dump(), **changes}
    if not isinstance(value, dict | ConformerSettings | TransformersSettings | Seq2SeqSettings):
        raise ValueError(f"a model is a preset ({', '.join(PRESETS)}) or a table of settings, got {shown(value)}")
    return value


def _kind(value: Any) -> str:  # noqa: ANN401
    kind = value.get("kind", "conformer") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) else shown(kind)


ModelChoice = Annotated[
    Annotated[ConformerSettings, Tag("conformer")]
    | Annotated[TransformersSettings, Tag("transformers")]
    | Annotated[Seq2SeqSettings, Tag("sequence-to-sequence")],
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


AcousticModel = Conformer | TransformersCtc


def build_network(settings: CtcSettings, labels: int) -> AcousticModel:
    """A network for so many labels; random weights are drawn from torch's generator.

    Raises:
        SettingsError: transformers builds no CTC model from these settings.
        AssetError: pretrained weights are out of reach.
    """
    if isinstance(settings, ConformerSettings):
        return Conformer(settings, labels)
    return build_transformers_ctc(settings, labels)
