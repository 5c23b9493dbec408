from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.training.settings import TrainingSettings
from tests.asr.tones import PRONUNCIATIONS, tone_corpus, tone_settings


def write_language_model(path):
    """Write an ARPA file for the language of tones; its path."""
    unigrams = [
        f"-{0.7 if word in PRONUNCIATIONS else 1.5}\t{word}\t0" for word in (*PRONUNCIATIONS, "<unk>", "</s>")
    ]
    bigrams = [f"-0.6\t<s> {word}" for word in PRONUNCIATIONS]
    counts = ["\\data\\", f"ngram 1={len(unigrams) + 1}", f"ngram 2={len(bigrams)}", ""]
    parts = [*counts, "\\1-grams:", "-99\t<s>\t0", *unigrams, "", "\\2-grams:", *bigrams, "", "\\end\\", ""]
    path.write_text("\n".join(parts))
    return path


class Listener(Reporter):
    """Remembers what was said, and which executions were run."""

    def __init__(self):
        self.notes, self.stages = [], []

    def note(self, text):
        self.notes.append(text)

    def stage(self, name, total):
        self.stages.append(name)
        return super().stage(name, total)

    @property
    def measured(self):
        """Names of executions that were not kept from before."""
        others = ("loading", "calibration", "corpus", "programming")
        return [name for name in self.stages if not any(part in name for part in others)]


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """A corpus of tones, with a language model and an own dictionary."""
    folder = tone_corpus(tmp_path_factory.mktemp("tones")).folder
    write_language_model(folder / "lm.arpa")
    return folder


@contextmanager
def quick_settings(tones):
    """A function that makes settings of experiments on tones, which take seconds; nothing is fetched meanwhile."""
    from memrix.asr.pronunciation import read_dictionary

    table = tone_settings(tones, epochs=20)

    def settings(**changes):
        given = {"weight_bits": (3,), "chips": 2, "low_bit_epochs": (2,), "language_model": str(tones / "lm.arpa")}
        return ExperimentSettings(corpus=str(tones), **{**given, **changes})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)
        patch.setattr("memrix.asr.pronunciation.own_dictionary", lambda name: read_dictionary(tones / "tones.dict"))
        patch.setattr(ExperimentSettings, "float_training", lambda self: TrainingSettings.from_dict(table))
        yield settings


@pytest.fixture(scope="module")
def quick(tones):
    with quick_settings(tones) as settings:
        yield settings


@pytest.fixture(scope="session")
def done(tones, tmp_path_factory):
    """An experiment that was run: its folder, its result, and what it said."""
    folder, listener = tmp_path_factory.mktemp("experiment"), Listener()
    with quick_settings(tones) as settings:
        result = run_experiment(settings(), folder, listener)
    return SimpleNamespace(folder=folder, result=result, listener=listener)
