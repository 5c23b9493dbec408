"""The Asterisk prompts as a corpus to train on: half an hour of one voice, for trials."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from memrix.asr.corpora.asterisk_prompts import LICENSE, asterisk
from memrix.asr.corpora.fixed_splits import fixed_splits
from memrix.asr.corpora.preparation import Progress, Utterance, prepare
from memrix.asr.corpora.prepared import PreparedCorpus
from memrix.asr.corpora.transcripts import has_digits, normalized
from memrix.asr.corpus import Utterance as Prompt
from memrix.errors import DataError

SPEAKER = "allison"


def prepare_asterisk(
    folder: Path,
    source: Path | None = None,
    progress: Progress = lambda done, total: None,
    *,
    skip_bad: bool = False,
) -> PreparedCorpus:
    """Prepare the corpus; prompts with digits are left out, and counted in the description.

    Args:
        folder: where to.
        source: must be None, as the prompts come from Debian packages.
        progress: called with the number of utterances done, and the total.
        skip_bad: leave out audio that cannot be used.

    Raises:
        DataError: a source is given, audio cannot be used, or the folder cannot be written to.
        AssetError: the packages cannot be fetched.
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
            utterances.append(_utterance(prompt))
    description = {"source": prompts.source, "license": LICENSE, "left_out": dict(left_out)}
    return prepare("asterisk", folder, utterances, splits, description, progress, skip_bad=skip_bad)


def _utterance(prompt: Prompt) -> Utterance:
    return Utterance(prompt.id, normalized(prompt.text), SPEAKER, partial(Prompt.samples, prompt))
