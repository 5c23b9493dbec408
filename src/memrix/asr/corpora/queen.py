"""Flight of the Amazon Queen: four hours of acted English dialogue, from a Debian package."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from memrix.asr.audio import read_audio_stream
from memrix.asr.corpora.collection import entries
from memrix.asr.corpora.fixed_splits import fixed_splits
from memrix.asr.corpora.preparation import Progress, Utterance, prepare
from memrix.asr.corpora.prepared import PreparedCorpus
from memrix.asr.corpora.queen_archive import Line, QueenArchive
from memrix.asr.corpora.transcripts import has_digits, normalized
from memrix.asr.packages import fetch_debian
from memrix.asr.pronunciation import cmu_dictionary, merged, missing_words, own_dictionary
from memrix.errors import DataError

LICENSE = (
    "the game's own: use and modify freely with its notices kept, not to be sold alone; John Passfield, "
    "Steve Stamatiadis"
)

_PACKAGE = "flight-of-the-amazon-queen"
_HASHES = {"1.0.0-9": "40c08fd258d6fe95c46c1eaf5e9137f84ba330657995a281bd887c94a560a0f1"}
_ARCHIVE = "usr/share/scummvm/flight-of-the-amazon-queen/queen.1c"
_SLOWEST, _FASTEST = 0.5, 6.0
"""Words a second; beyond, a transcript and its clip do not belong together, and are in no split."""


def prepare_queen(
    folder: Path,
    source: Path | None = None,
    progress: Progress = lambda done, total: None,
    *,
    skip_bad: bool = False,
) -> PreparedCorpus:
    """Prepare the corpus.

    One-word lines, lines with digits, lines of sounds that are no words, and clips whose words a second are
    implausible are left out, and counted in the description.

    Args:
        folder: where to.
        source: the folder that holds ``queen.1c``; by default the Debian package is fetched.
        progress: called with the number of utterances done, and the total.
        skip_bad: leave out audio that cannot be used.

    Raises:
        DataError: the archive is missing or damaged, audio cannot be used, or the folder cannot be written to.
        AssetError: the package, or the pronunciation dictionary, cannot be fetched.
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
            "left_out": {
                **left_out,
                "not in the fixed splits": sum(item.id not in splits for item in utterances),
            },
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


def is_plausible(text: str, seconds: float) -> bool:
    """Whether so many words fit into so many seconds."""
    return _SLOWEST <= len(text.split()) / max(seconds, 1e-3) <= _FASTEST


def _samples(archive: QueenArchive, name: str) -> npt.NDArray[np.float32]:
    return read_audio_stream(io.BytesIO(archive.audio(name)), name)
