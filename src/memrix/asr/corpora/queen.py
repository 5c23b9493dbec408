"""Flight of the Amazon Queen: four hours of acted English dialogue, from a Debian package."""

from __future__ import annotations

import io
import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from memrix.asr.audio import read_audio_stream
from memrix.asr.corpora.preparation import Progress, Utterance, fixed_splits, prepare, silent
from memrix.asr.corpora.prepared import PreparedCorpus
from memrix.asr.corpora.transcripts import has_digits, normalized
from memrix.asr.corpora.writing import entries
from memrix.asr.outside import explained
from memrix.asr.packages import fetch_debian
from memrix.asr.pronunciation import cmu_dictionary, merged, missing_words, own_dictionary
from memrix.errors import DataError

_MAGIC = b"QTBL"
_COUNT, _ENTRIES, _ENTRY = 13, 15, struct.Struct(">12sBII")
_FILE_HEADER = 20  # before the content of a .DOG or .CUT file
_DOG_HEADER = struct.Struct(">5h12xhhh")  # levels, -, key, lines of Joe and of the other; places of tables
_DOG_LINE = struct.Struct(">2xh")  # number of a line, before its text
_DOG_LEVEL_BYTES, _DOG_TREE = 96, 32
_CUT_STRINGS = struct.Struct(">8xh")
_FIRST_DESCRIPTION = 41  # Joe's descriptions of things are numbered after his 40 answers
_CODE = re.compile(r"\*..", re.DOTALL)
_ENCODING = "cp437"

JOE, CUTSCENE = "joe", "cutscene"

LICENSE = (
    "the game's own: use and modify freely with its notices kept, not to be sold alone; John Passfield, "
    "Steve Stamatiadis"
)

_PACKAGE = "flight-of-the-amazon-queen"
_HASHES = {"1.0.0-9": "40c08fd258d6fe95c46c1eaf5e9137f84ba330657995a281bd887c94a560a0f1"}
_ARCHIVE = "usr/share/scummvm/flight-of-the-amazon-queen/queen.1c"


@dataclass(frozen=True)
class Line:
    """One clip: its name in the archive, its transcript and its speaker (unknown in cutscenes)."""

    id: str
    text: str
    speaker: str


class QueenArchive:
    """The clips of the archive that have a transcript.

    Raises:
        DataError: the file is missing or no such archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with explained(DataError, f"{path} cannot be read", "give the folder of the game's queen.1c"):
            self._content = path.read_bytes()
        if self._content[:4] != _MAGIC:
            raise DataError(f"{path} is no archive of Flight of the Amazon Queen: it begins with other than QTBL")
        self._places: dict[str, tuple[int, int]] = {}
        try:
            (count,) = struct.unpack_from(">H", self._content, _COUNT)
            for number in range(count):
                name, _, offset, size = _ENTRY.unpack_from(self._content, _ENTRIES + number * _ENTRY.size)
                if offset + size > len(self._content):
                    raise struct.error
                self._places[name.split(b"\0")[0].decode(_ENCODING).strip()] = (offset, size)
        except struct.error as error:
            raise DataError(f"{path} ends before what its table promises; copy it again") from error

    def audio(self, name: str) -> bytes:
        """A clip, as MP3."""
        return self._file(f"{name}.SB")

    def lines(self) -> list[Line]:
        """Every clip whose transcript the archive has, in the order of their names.

        Raises:
            DataError: a file with texts is damaged.
        """
        found: dict[str, Line] = {}
        for name in self._places:
            stem, _, kind = name.partition(".")
            if kind == "DOG":
                said = self._dialogue(name, stem.lower())
            elif kind == "CUT":
                said = self._cutscene(name, stem)
            elif name == "QUEEN2.JAS":
                said = self._descriptions(name)
            else:
                continue
            damage, what = (struct.error, IndexError), f"{name} in {self._path} is damaged"
            with explained(DataError, what, "copy the archive again", damage):
                for line in said:
                    if line.text and f"{line.id}.SB" in self._places:
                        found.setdefault(line.id, line)
        return [found[name] for name in sorted(found)]

    def _file(self, name: str) -> bytes:
        offset, size = self._places[name]
        return self._content[offset : offset + size]

    def _dialogue(self, name: str, speaker: str) -> Iterator[Line]:
        content = self._file(name)[_FILE_HEADER:]
        levels, _, key, joes, others, table, _, again = _DOG_HEADER.unpack_from(content)
        tables = ((_DOG_TREE + abs(levels) * _DOG_LEVEL_BYTES, joes, "J", JOE), (table, others, "P", speaker))
        for offset, count, letter, who in tables:
            for _ in range(count + 1):
                if offset + _DOG_LINE.size >= len(content):
                    break
                (number,) = _DOG_LINE.unpack_from(content, offset)
                text, offset = _string(content, offset + _DOG_LINE.size, align=4)
                # Joe's first words have no number.
                place = "SSSS" if letter == "J" and number == 0 else f"{number & 0xFFFF:04X}"
                yield from _segments(f"{key:02d}{place}{letter}", text, who)
        # What both say when they meet again.
        for letter, who in (("P", speaker), ("J", JOE)):
            text, again = _string(content, again, align=2) if again < len(content) else ("", again)
            yield from _segments(f"{key:02d}XXXX{letter}", text, who)

    def _cutscene(self, name: str, stem: str) -> Iterator[Line]:
        content = self._file(name)[_FILE_HEADER:]
        (offset,) = _CUT_STRINGS.unpack_from(content)
        number = 0
        while offset < len(content):
            text, offset = _string(content, offset, align=2)
            yield from _segments(f"{stem:_<5}{number:02d}", text, CUTSCENE)
            number += 1

    def _descriptions(self, name: str) -> Iterator[Line]:
        for number, text in enumerate(self._file(name).decode(_ENCODING).splitlines(), start=_FIRST_DESCRIPTION):
            yield from _segments(f"JOE{number:04d}", text, JOE)


def _string(content: bytes, offset: int, align: int) -> tuple[str, int]:
    """A string behind its length, and where the next one begins; an empty one is not padded."""
    length = content[offset]
    offset += 1
    if not length:
        return "", offset
    end = offset + length
    return content[offset:end].decode(_ENCODING), -(-end // align) * align


def _segments(prefix: str, text: str, speaker: str) -> Iterator[Line]:
    for number, part in enumerate(_CODE.split(text), start=1):
        yield Line(f"{prefix}{number:X}", " ".join(part.split()), speaker)


def prepare_queen(
    folder: Path, source: Path | None = None, progress: Progress = silent, *, skip_bad: bool = False
) -> PreparedCorpus:
    """Prepare the corpus.

    One-word lines, lines with digits, lines of sounds that are no words, and clips whose words a second are
    implausible are left out, and counted in the description.

    The arguments are those of ``memrix.asr.corpora.catalog.Preparer``; ``source`` is the folder that holds
    ``queen.1c``.
    """
    path = fetch_debian(_PACKAGE, _HASHES) / _ARCHIVE if source is None else source.resolve() / "queen.1c"
    if not path.is_file():
        raise DataError(
            f"looked for the archive {path} and found none: {entries(path.parent)}; give the folder of the game's "
            "queen.1c, or none, to fetch its Debian package"
        )
    archive = QueenArchive(path)
    chosen, left_out = usable_lines(archive.lines())
    splits = fixed_splits("queen")
    utterances = []
    for line in chosen:
        samples = partial(_samples, archive, line.id)
        utterances.append(Utterance(line.id, normalized(line.text), line.speaker, samples))
    return prepare(
        "queen",
        folder,
        [utterance for utterance in utterances if utterance.id in splits],
        splits,
        {
            "source": f"Debian package {_PACKAGE}" if source is None else str(source.resolve()),
            "license": LICENSE,
            "left_out": {**left_out, "not in the fixed splits": sum(item.id not in splits for item in utterances)},
        },
        progress,
        skip_bad=skip_bad,
    )


def usable_lines(lines: Iterable[Line]) -> tuple[list[Line], dict[str, int]]:
    """The lines that a recognizer can learn from, and how many are left out for which reason."""
    dictionary = merged(cmu_dictionary(), own_dictionary("queen"))
    kept: list[Line] = []
    left_out: Counter[str] = Counter()
    for line in lines:
        text = normalized(line.text)
        if has_digits(line.text):
            left_out["digits"] += 1
        elif len(text.split()) < 2:
            left_out["less than two words"] += 1
        elif missing_words([text], dictionary):
            left_out["sounds that are no words"] += 1
        else:
            kept.append(line)
    return kept, dict(left_out)


def _samples(archive: QueenArchive, name: str) -> npt.NDArray[np.float32]:
    return read_audio_stream(io.BytesIO(archive.audio(name)), name)
