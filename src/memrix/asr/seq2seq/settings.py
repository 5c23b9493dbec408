"""Which sequence-to-sequence model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from memrix.asr.outside import PlainText


class Seq2SeqSettings(BaseModel):
    """A sequence-to-sequence model of the ``transformers`` library.

    Attributes:
        checkpoint: ``whisper-tiny.en``, a name on the Hugging Face hub, or a folder that ``save_pretrained`` wrote.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sequence-to-sequence"] = "sequence-to-sequence"
    checkpoint: PlainText
