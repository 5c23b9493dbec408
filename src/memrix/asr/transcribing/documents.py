"""Transcripts as text, JSON, and the formats of NIST's scoring tools (sclite): ``.trn`` and ``.ctm``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from memrix.asr.sclite import as_trn as trn, trn_name
from memrix.asr.transcribing.run import Row, TranscriptionResult
from memrix.asr.transcribing.transcripts import Segment

TIMES = (
    "windows of up to 30 s, cut where it is quiet; the recognizer tells no times of words: within a window words are "
    "placed one after the other, by their letters"
)
"""What the times of a transcript are."""


def as_text(rows: Sequence[Row], *, named: bool) -> str:
    """The rows of one recording: its text, or several executions side by side, window by window.

    Args:
        rows: of the executions.
        named: whether to say which recording it is.
    """
    first = rows[0].transcript
    head = [f"{first.file} ({_clock(first.seconds)})"] if named or len(rows) > 1 else []
    if len(rows) == 1:
        return "\n".join([*head, *(segment.text for segment in first.segments if segment.text)]) + "\n"
    widest = max(len(str(row)) for row in rows)
    lines = []
    for segments in zip(*(row.transcript.segments for row in rows), strict=True):
        lines.append(f"[{_clock(segments[0].start)} - {_clock(segments[0].end)}]")
        lines += [
            f"  {row!s:<{widest}}  {segment.text}".rstrip() for row, segment in zip(rows, segments, strict=True)
        ]
    return "\n".join([*head, *lines]) + "\n"


def as_json(result: TranscriptionResult) -> str:
    """All rows, with settings and versions."""
    return json.dumps({**result.to_dict(), "times": TIMES}, indent=2, ensure_ascii=False) + "\n"


def as_trn(rows: Iterable[Row]) -> str:
    """A line for each recording: its words, and its name in parentheses."""
    rows = list(rows)
    names = _names(rows)
    return trn({names[row.transcript.file]: row.transcript.text for row in rows})


def as_ctm(rows: Iterable[Row]) -> str:
    """A line for each word: name of the recording, channel, begin and duration in s, and the word."""
    rows = list(rows)
    names = _names(rows)
    lines = [f";; times: {TIMES}"]
    for row in rows:
        for segment in row.transcript.segments:
            lines += [
                f"{names[row.transcript.file]} 1 {start:.2f} {seconds:.2f} {word}"
                for word, start, seconds in placed_words(segment)
            ]
    return "".join(f"{line}\n" for line in lines)


def placed_words(segment: Segment) -> Iterator[tuple[str, float, float]]:
    """Words of a segment with begin and duration in s: as if every letter, and every space, took the same time."""
    words = segment.text.split()
    if not words:
        return
    letter = (segment.end - segment.start) / (sum(map(len, words)) + len(words) - 1)
    start = segment.start
    for word in words:
        yield word, start, len(word) * letter
        start += (len(word) + 1) * letter


def by_execution(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows of all recordings by their execution."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.execution, []).append(row)
    return found


def _names(rows: Sequence[Row]) -> dict[str, str]:
    """Name of each recording without blanks and parentheses: that of its file, or its path where two are alike."""
    files = dict.fromkeys(row.transcript.file for row in rows)
    stems = Counter(Path(file).stem for file in files)
    return {file: trn_name(Path(file).stem if stems[Path(file).stem] == 1 else file) for file in files}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
