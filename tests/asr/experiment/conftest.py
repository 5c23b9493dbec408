import pytest

from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.training.settings import TrainingSettings
from tests.asr.tones import PRONUNCIATIONS, tone_corpus, tone_settings


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """A corpus of tones, with a language model and an own dictionary."""
    folder = tone_corpus(tmp_path_factory.mktemp("tones")).folder
    unigrams = [
        f"-{0.7 if word in PRONUNCIATIONS else 1.5}\t{word}\t0" for word in (*PRONUNCIATIONS, "<unk>", "</s>")
    ]
    bigrams = [f"-0.6\t<s> {word}" for word in PRONUNCIATIONS]
    counts = ["\\data\\", f"ngram 1={len(unigrams) + 1}", f"ngram 2={len(bigrams)}", ""]
    parts = [*counts, "\\1-grams:", "-99\t<s>\t0", *unigrams, "", "\\2-grams:", *bigrams, "", "\\end\\", ""]
    text = "\n".join(parts)
    (folder / "lm.arpa").write_text(text)
    return folder


@pytest.fixture
def quick(tones, monkeypatch):
    """Experiments on tones that take seconds."""
    monkeypatch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)
    from memrix.asr.pronunciation import read_dictionary

    monkeypatch.setattr("memrix.asr.pronunciation.own_dictionary", lambda name: read_dictionary(tones / "tones.dict"))
    table = tone_settings(tones, epochs=20)
    monkeypatch.setattr(ExperimentSettings, "float_training", lambda self: TrainingSettings.from_dict(table))

    def settings(**changes):
        given = {"weight_bits": (3,), "chips": 2, "coarse_epochs": 2, "language_model": str(tones / "lm.arpa")}
        return ExperimentSettings(corpus=str(tones), **{**given, **changes})

    return settings
