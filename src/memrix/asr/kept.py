"""Results that are kept as JSON: with a hash of what they say, and read under a schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from memrix.asr.outside import PlainText, told
from memrix.toolkit import parse_json

if TYPE_CHECKING:
    from lhotse import CutSet

T = TypeVar("T")

HASH = "sha256"

Count = Annotated[int, Field(ge=0, le=1 << 53)]
Seconds = Annotated[FiniteFloat, Field(ge=0)]

Text = PlainText


def content_of(cuts: CutSet) -> str:
    """Hash of utterances: ids, transcripts, and their position and length in the audio; not of the audio itself."""
    return hash_of(
        *(
            (cut.id, cut.supervisions[0].text, cut.start, cut.duration, cut.recording.duration)
            for cut in sorted(cuts, key=lambda cut: str(cut.id))
        )
    )


def hash_of(*parts: object) -> str:
    """SHA-256 of what JSON can hold, hexadecimal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def with_hash(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table for JSON, and beside its entries the hash of them."""
    return {**table, HASH: hash_of(table)}


def parse_kept(content: bytes) -> tuple[dict[str, Any], bool]:
    """The table that a JSON text of ``with_hash`` says, without its hash, and whether it had one.

    Raises:
        ValueError: no table of JSON, or other content than was written.
    """
    table = parse_json(content)
    if not isinstance(table, dict):
        raise ValueError("it holds no table")
    stated = table.pop(HASH, None)
    if stated is not None and stated != hash_of(table):
        raise ValueError("its SHA-256 is not that of its content")
    return table, stated is not None


def validated(kind: TypeAdapter[T], table: object) -> T:
    """An object of some kind from what JSON said, by exactly the types of its fields.

    Raises:
        ValueError: it does not fit; what is wrong is said in one line.
    """
    try:
        # As JSON, whose lists are tuples where the kind has these.
        return kind.validate_json(json.dumps(table), strict=True)
    except ValidationError as error:
        raise ValueError(told(error)) from error
