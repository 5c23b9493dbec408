"""The Asterisk prompts as a corpus to train on: half an hour of one voice, for trials."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from memrix.asr.audio import duration_seconds
from memrix.asr.corpora.preparation import Progress, Utterance, fixed_splits, prepare, silent
from memrix.asr.corpora.prepared import PreparedCorpus
from memrix.asr.corpora.transcripts import has_digits, normalized
from memrix.asr.corpus import WINDOW_SECONDS, Corpus, Utterance as Prompt
from memrix.asr.outside import explained
from memrix.asr.packages import fetch_debian
from memrix.errors import AssetError, DataError

SPEAKER = "allison"

LICENSE = "CC-BY-SA-3.0, Allison Smith and Digium, Inc."

_SOUNDS = "asterisk-core-sounds-en-wav"
_TEXTS = "asterisk-core-sounds-en"
_SOUND_HASHES = {"1.6.1-1": "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d"}
_TEXT_HASHES = {"1.6.1-1": "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50"}

_REMARK = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>")
_SPOKEN_SIGNS = {"*": " star ", "#": " pound "}


def prepare_asterisk(
    folder: Path, source: Path | None = None, progress: Progress = silent, *, skip_bad: bool = False
) -> PreparedCorpus:
    """Prepare the corpus; prompts with digits are left out, and counted in the description.

    The arguments are those of ``memrix.asr.corpora.catalog.Preparer``; there is no ``source``.
    """
    if source is not None:
        raise DataError(
            f"the Asterisk prompts are fetched from Debian packages, got the source {source}; leave it out"
        )
    prompts = asterisk()
    splits = fixed_splits("asterisk")
    utterances: list[Utterance] = []
    left_out: Counter[str] = Counter()
    for prompt in prompts.utterances:
        if has_digits(prompt.text):
            left_out["digits"] += 1
        elif prompt.id not in splits:
            left_out["not in the fixed splits"] += 1
        else:
            utterances.append(Utterance(prompt.id, normalized(prompt.text), SPEAKER, partial(Prompt.samples, prompt)))
    description = {"source": prompts.source, "license": LICENSE, "left_out": dict(left_out)}
    return prepare("asterisk", folder, utterances, splits, description, progress, skip_bad=skip_bad)


def asterisk() -> Corpus:
    """The prompts whose transcript is speech and whose clip fits into one window of a recognizer.

    Raises:
        AssetError: the packages cannot be fetched, or hold something else than expected.
    """
    return read_prompts(fetch_debian(_SOUNDS, _SOUND_HASHES), fetch_debian(_TEXTS, _TEXT_HASHES))


def read_prompts(sounds: Path, texts: Path) -> Corpus:
    """Corpus from the unpacked trees of the sound package and of the text package.

    Raises:
        AssetError: transcripts or recordings are not where they belong.
    """
    clips = sounds / "usr/share/asterisk/sounds/en_US_f_Allison"
    transcripts = texts / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    utterances: list[Prompt] = []
    missing, too_long = 0, 0
    for name, text in _transcribed(transcripts):
        clip = clips / f"{name}.wav"
        if not clip.is_file():
            missing += 1
        elif duration_seconds(clip) > WINDOW_SECONDS:
            too_long += 1
        else:
            utterances.append(Prompt(name, clip, text))
    if not utterances:
        raise AssetError(
            f"no transcribed clip found in {clips}; delete {sounds} and {texts} and run again to fetch them anew"
        )
    source = (
        f"Debian packages {sounds.name} and {texts.name} ({LICENSE}); left out: {missing} transcripts "
        f"without a clip, {too_long} clips above {WINDOW_SECONDS:g} s"
    )
    return Corpus("asterisk", tuple(utterances), source)


def spoken_text(line: str) -> str:
    """The transcript: remarks in brackets are removed, the signs of the telephone are spelled out."""
    text = _REMARK.sub(" ", line)
    for sign, word in _SPOKEN_SIGNS.items():
        text = text.replace(sign, word)
    return " ".join(text.split())


def _transcribed(transcripts: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of the lines ``name: text`` that are speech; a semicolon begins a comment line."""
    damage, fix = (OSError, EOFError, UnicodeDecodeError), "delete that package's folder and run again"
    with explained(AssetError, f"cannot read the transcripts {transcripts}", fix, damage):
        lines = gzip.decompress(transcripts.read_bytes()).decode().splitlines()
    for line in lines:
        name, colon, text = line.partition(":")
        spoken = spoken_text(text)
        if colon and spoken and not name.startswith(";"):
            yield name.strip(), spoken
