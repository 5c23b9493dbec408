"""Errors of an evaluation, word by word: reports, and transcripts as sclite reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from memrix.asr.alignment import Edits, Pair, align, aligned_lines
from memrix.asr.evaluation.results import Transcript
from memrix.asr.files import write_whole
from memrix.asr.sclite import as_trn, paths_by_execution
from memrix.asr.text import normalize
from memrix.errors import DataError

_MOST = 20
"""Confusions of a kind that a report lists."""


def error_report(transcripts: Sequence[Transcript], execution: str) -> str:
    """Errors of an execution: how many of a kind, the most frequent, and aligned utterances, the worst first.

    Words are compared as they are scored, without case and punctuation.
    """
    wrong = sorted(
        (item for item in transcripts if item.errors[execution]),
        key=lambda item: (-item.errors[execution], item.words, item.id),
    )
    aligned = [align(normalize(item.reference).split(), normalize(item.heard[execution]).split()) for item in wrong]
    words, errors = sum(item.words for item in transcripts), sum(item.errors[execution] for item in wrong)
    edits = [item.edits[execution] for item in wrong]
    total = Edits(*(sum(getattr(each, field.name) for each in edits) for field in fields(Edits)))
    rate = f" ({100 * errors / words:.2f} %)" if words else ""
    lines = [
        f"{execution}: {errors} errors in {words} words{rate}, {total}",
        f"{len(wrong)} of {len(transcripts)} utterances have errors",
        *_frequent([pair for pairs in aligned for pair in pairs]),
    ]
    for item, pairs in zip(wrong, aligned, strict=True):
        reference, heard = aligned_lines(pairs)
        lines += [
            "",
            f"{item.id}: {item.errors[execution]} errors in {item.words} words, {item.edits[execution]}",
            f"  reference   {reference}",
            f"  transcript  {heard}".rstrip(),
        ]
    return "\n".join(lines) + "\n"


def _frequent(pairs: Sequence[Pair]) -> list[str]:
    kinds = {
        "substitutions": Counter(f"{a} -> {b}" for a, b in pairs if a and b and a != b),
        "deletions": Counter(a for a, b in pairs if a and not b),
        "insertions": Counter(b for a, b in pairs if b and not a),
    }
    lines = []
    for kind, counts in kinds.items():
        # Of equally frequent ones, in alphabetical order.
        found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST]
        lines += ["", f"most frequent {kind}", *(f"{count:5d}  {what}" for what, count in found)] if found else []
    return lines


def write_error_reports(transcripts: Sequence[Transcript], path: Path) -> list[Path]:
    """Write the report of each execution into a file of its own; the files.

    Raises:
        DataError: one cannot be written.
    """
    places = paths_by_execution(path, _executions(transcripts))
    for execution, place in places.items():
        write_whole(place, error_report(transcripts, execution).encode())
    return list(places.values())


def write_trn(transcripts: Sequence[Transcript], path: Path) -> list[Path]:
    """Write the transcripts of each execution, and the references to ``NAME.reference.trn``, for sclite; the files.

    Words are as they are scored, without case and punctuation.

    Raises:
        DataError: one cannot be written.
    """
    places = paths_by_execution(path, ["reference", *_executions(transcripts)])
    for execution, place in places.items():
        texts = {
            item.id: normalize(item.reference if execution == "reference" else item.heard[execution])
            for item in transcripts
        }
        write_whole(place, as_trn(texts).encode())
    return list(places.values())


def _executions(transcripts: Sequence[Transcript]) -> list[str]:
    if not transcripts:
        raise DataError("this result holds no transcripts; evaluate again with this version of memrix")
    return list(transcripts[0].heard)
