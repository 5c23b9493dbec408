"""TED-LIUM release 2: 207 hours of talks, from the user's own copy.

A. Rousseau, P. Deléglise, Y. Estève: Enhancing the TED-LIUM corpus with selected data for language modeling and more
TED talks, LREC 2014. Audio stays where it is; utterances are windows of the talks. The recipe of lhotse stops at the
first talk that is broken or incomplete, so that the files are read here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memrix.asr.corpora.manifest_lines import STAYS
from memrix.asr.corpora.preparation import Progress, silent
from memrix.asr.corpora.prepared import SPLITS, PreparedCorpus
from memrix.asr.corpora.recordings import kept_recording, window
from memrix.asr.corpora.transcripts import is_remark, transcript, with_joined_endings
from memrix.asr.corpora.writing import Collection, entries
from memrix.asr.outside import plain_text
from memrix.errors import DataError

LICENSE = "CC-BY-NC-ND 3.0, TED Conferences LLC and LIUM, University of Le Mans"
DICTIONARY = "TEDLIUM.152k.dic"

_IGNORED = "ignore_time_segment_in_scoring"
_COMMENT = ";;"
_LABEL = re.compile(r"^<(?!unk>)[^>]*>")
_FIELDS = 5  # talk, channel, speaker, start, end; then a label in angle brackets, and the words


@dataclass(frozen=True)
class Segment:
    """One line of an STM file: who says what, from when to when in seconds."""

    id: str
    speaker: str
    start: float
    end: float
    text: str


def prepare_tedlium2(
    folder: Path, source: Path | None = None, progress: Progress = silent, *, skip_bad: bool = False
) -> PreparedCorpus:
    """Write manifests of the official splits, and remember the pronunciation dictionary.

    Segments that are not to be scored, and those of nothing but ``<unk>`` or noise, are left out and counted.

    The arguments are those of ``memrix.asr.corpora.catalog.Preparer``; ``source`` is the folder
    ``TEDLIUM_release2``.
    """
    root = _checked(source)
    collection = Collection("tedlium2", skip_bad=skip_bad)
    left_out: Counter[str] = Counter()
    talks = [
        (split, name)
        for split in SPLITS
        for name in sorted({path.stem for kind in ("sph", "stm") for path in (root / split / kind).glob(f"*.{kind}")})
    ]
    for done, (split, name) in enumerate(talks, start=1):
        _collect(collection, split, root / split, name, left_out)
        progress(done, len(talks))
    return collection.written(
        folder,
        {
            "source": str(root),
            "license": LICENSE,
            STAYS: True,
            "dictionary": str(root / DICTIONARY),
            "left_out": dict(left_out),
        },
    )


def read_stm(path: Path, problems: list[str]) -> Iterator[Segment]:
    """Segments of a talk; those not to be scored have an empty text; lines that cannot be used become problems."""
    try:
        lines = plain_text(path).splitlines()
    except DataError as error:
        problems.append(f"{path}: {error}")
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(_COMMENT):
            continue
        fields = line.split(maxsplit=_FIELDS)
        try:
            start, end = float(fields[3]), float(fields[4])
        except (IndexError, ValueError):
            problems.append(
                f"{path}, line {number}: expected `talk channel speaker start end <label> words`, got {line!r}"
            )
            continue
        rest = fields[_FIELDS] if len(fields) > _FIELDS else ""
        words = _LABEL.sub("", rest).strip()
        yield Segment(f"{path.stem}-{number:04d}", fields[2], start, end, words)


def _checked(source: Path | None) -> Path:
    looked_for = f"train, dev and test, each with sph and stm, and {DICTIONARY}"
    if source is None:
        raise DataError(
            f"TED-LIUM 2 is not fetched: name your copy, --source .../TEDLIUM_release2, a folder of {looked_for}"
        )
    parts = [Path(split) / kind for split in SPLITS for kind in ("sph", "stm")]
    missing = [str(part) for part in parts if not any((source / part).glob(f"*.{part.name}"))]
    if not (source / DICTIONARY).is_file():
        missing.append(DICTIONARY)
    if missing:
        inner = source / "TEDLIUM_release2"
        hint = f"; did you mean {inner}?" if inner.is_dir() else ""
        raise DataError(
            f"{source} is no TED-LIUM 2: looked for {looked_for}; without files or missing: {', '.join(missing)}; "
            f"{entries(source)}{hint}"
        )
    return source.resolve()


def _collect(collection: Collection, split: str, folder: Path, name: str, left_out: Counter[str]) -> None:
    audio, text = folder / "sph" / f"{name}.sph", folder / "stm" / f"{name}.stm"
    with collection.noting(name):
        missing = [path for path in (audio, text) if not path.is_file()]
        if missing:
            raise DataError(f"{missing[0]} is missing; copy the talk again")
        recording = kept_recording(audio, name)
        for segment in read_stm(text, collection.problems):
            if segment.text == _IGNORED:
                left_out["not to be scored"] += 1
            elif is_remark(segment.text):
                left_out["without words"] += 1
            else:
                with collection.noting(segment.id):
                    words = transcript(with_joined_endings(segment.text))
                    cut = window(recording, segment.id, words, segment.speaker, segment.start, segment.end)
                    collection.add(split, cut)
