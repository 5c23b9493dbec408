"""What the description of a prepared corpus, `corpus.json`, may say."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from memrix.asr.kept import Count
from memrix.asr.outside import PlainText


class SplitFigures(BaseModel):
    """Figures of a split, or of a part of one."""

    model_config = ConfigDict(strict=True, extra="forbid")

    utterances: Count
    hours: Annotated[FiniteFloat, Field(ge=0)]
    words: Count
    vocabulary: Count
    speakers: Count


class CorpusDescription(BaseModel):
    """What memrix reads of a description; everything else is for people.

    Attributes:
        name: of the corpus.
        source, license: where it is from.
        recordings_stay: whether recordings may be outside of its folder.
        dictionary: path of its pronunciations.
        left_out: utterances that were left out, by the reason.
        skipped: what could not be used.
        statistics: figures by split.
    """

    model_config = ConfigDict(strict=True, extra="allow")

    name: Annotated[PlainText, Field(min_length=1)]
    source: PlainText | None = None
    license: PlainText | None = None
    recordings_stay: bool = False
    dictionary: PlainText | None = None
    left_out: dict[PlainText, Count] = Field(default_factory=dict)
    skipped: list[PlainText] = Field(default_factory=list)
    statistics: dict[PlainText, SplitFigures] = Field(default_factory=dict)
