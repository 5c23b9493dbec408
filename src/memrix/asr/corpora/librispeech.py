"""LibriSpeech: 960 hours of read English books, from the user's own copy.

V. Panayotov, G. Chen, D. Povey, S. Khudanpur: Librispeech, an ASR corpus based on public domain audio books, ICASSP
2015. Audio stays where it is. The recipe of lhotse stops at the first broken file and passes over missing ones, so
that the transcripts are read here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from memrix.asr.corpora.manifest_lines import STAYS
from memrix.asr.corpora.preparation import Progress, silent
from memrix.asr.corpora.prepared import PART, SPLITS, PreparedCorpus
from memrix.asr.corpora.recordings import kept_recording, window
from memrix.asr.corpora.transcripts import transcript
from memrix.asr.corpora.writing import Collection, entries
from memrix.asr.outside import plain_text
from memrix.errors import DataError

LICENSE = "CC-BY-4.0, Vassil Panayotov and others"


def prepare_librispeech(
    folder: Path, source: Path | None = None, progress: Progress = silent, *, skip_bad: bool = False
) -> PreparedCorpus:
    """Write manifests: all parts ``train-*`` that are there for training, ``dev-*`` and ``test-*`` for the others.

    The arguments are those of ``memrix.asr.corpora.catalog.Preparer``; ``source`` is the folder ``LibriSpeech``.
    """
    root = _checked(source)
    parts = {split: sorted(part for part in root.glob(f"{split}-*") if part.is_dir()) for split in SPLITS}
    chapters = [
        (split, part.name, chapter)
        for split in SPLITS
        for part in parts[split]
        for chapter in sorted(part.rglob("*.trans.txt"))
    ]
    collection = Collection("librispeech", skip_bad=skip_bad)
    for done, (split, part, chapter) in enumerate(chapters, start=1):
        _collect(collection, split, part, chapter)
        progress(done, len(chapters))
    return collection.written(
        folder,
        {
            "source": str(root),
            "license": LICENSE,
            STAYS: True,
            "parts": {split: [part.name for part in found] for split, found in parts.items()},
        },
    )


def _checked(source: Path | None) -> Path:
    looked_for = "parts such as train-clean-100, dev-clean, dev-other, test-clean with .trans.txt files and flac"
    if source is None:
        raise DataError(
            f"LibriSpeech is not fetched: name your copy, --source .../LibriSpeech, a folder of {looked_for}"
        )
    if not any(next(part.rglob("*.trans.txt"), None) for split in SPLITS for part in source.glob(f"{split}-*")):
        inner = source / "LibriSpeech"
        hint = f"; did you mean {inner}?" if inner.is_dir() else ""
        raise DataError(f"{source} is no LibriSpeech: looked for {looked_for}; {entries(source)}{hint}")
    return source.resolve()


def _collect(collection: Collection, split: str, part: str, chapter: Path) -> None:
    lines: list[str] = []
    with collection.noting(str(chapter)):
        lines = plain_text(chapter).splitlines()
    for line in filter(str.strip, lines):
        name, _, text = line.strip().partition(" ")
        with collection.noting(name):
            words = transcript(text)
            recording = kept_recording(chapter.parent / f"{name}.flac", name)
            cut = window(recording, name, words, speaker=name.partition("-")[0])
            collection.add(split, replace(cut, custom={PART: part}))
