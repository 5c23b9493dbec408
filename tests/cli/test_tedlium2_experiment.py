"""The whole path on a miniature of TED-LIUM 2, by the commands alone: prepare, train, experiment."""

import json

import numpy as np
import pytest

from memrix.cli.main import main
from tests.asr.experiment.conftest import write_language_model
from tests.asr.miniature import Spoken, write_tedlium
from tests.asr.tones import PRONUNCIATIONS, random_sentence, spoken

TRAINING = """
corpus = "tedlium2"
epochs = {epochs}
seconds_per_batch = 10.0
average = 2
model = {{preset = "small", width = 24, blocks = 1, heads = 2, feed_forward = 48, kernel = 9}}
augmentation = {{speeds = [1.0], time_mask_frames = 2, frequency_mask_bins = 2}}
optimizer = {{learning_rates = [1e-3, 8e-3, 1e-3, 1e-4], phases = [0.2, 0.6, 0.2]}}
"""


def run(root, folder, epochs, low_bit_epochs, options=()):
    """Word error rates by system, from a folder in the format of the corpus."""
    assert main(["corpus", "prepare", "tedlium2", "--source", str(root)]) == 0
    config = folder / "training.toml"
    config.write_text(TRAINING.format(epochs=epochs))
    assert main(["train", "--config", str(config), "--output", str(folder / "float")]) == 0
    command = ["experiment", "--corpus", "tedlium2", "--recognizer", str(folder / "float/model.safetensors")]
    command += ["--weight-bits", "3", "--chips", "2", "--low-bit-epochs", str(low_bit_epochs), *options]
    assert main([*command, "--output", str(folder / "out"), "--json", str(folder / "figures.json")]) == 0
    return json.loads((folder / "figures.json").read_text())


def talks_of(split, names, count, draw):
    for name in names:
        for _ in range(count):
            text = random_sentence(draw)
            yield Spoken(split, name, text, spoken(text, draw))


@pytest.mark.slow
def test_from_sphere_files_to_word_error_rates_on_chips(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    draw = np.random.default_rng(0)
    talks = [
        *talks_of("train", ("AliceA_2001", "BobB_2002"), 30, draw),
        *talks_of("dev", ("CarolC_2003",), 12, draw),
        *talks_of("test", ("DaveD_2004",), 12, draw),
    ]
    root = write_tedlium(tmp_path, talks, PRONUNCIATIONS)
    options = ["--language-model", str(write_language_model(tmp_path / "lm.arpa"))]
    figures = run(root, tmp_path, epochs=20, low_bit_epochs=20, options=options)
    assert figures["corpus"]["name"] == "tedlium2"
    assert figures["corpus"]["utterances"] == 12
    rates = {row["execution"]: row["wer"] for row in figures["summary"]}
    assert list(rates) == ["float", "quantized", "chip"]
    assert rates["float"] < 0.1
    assert rates["quantized"] < 0.2
    assert rates["chip"] < 0.4


@pytest.mark.slow
def test_real_clips_take_the_same_way(tmp_path, monkeypatch):
    """Too few to learn a language from; but real speech, real pronunciations and an estimated language model."""
    from memrix.asr.corpora.catalog import prepare_corpus

    clips = prepare_corpus("queen")
    talks = [
        Spoken(split, f"{split.title()}T_2001", cut.supervisions[0].text, cut.load_audio()[0])
        for split, count in (("train", 120), ("dev", 10), ("test", 10))
        for cut in clips.cuts(split).subset(first=count)
    ]
    from memrix.asr.pronunciation import corpus_pronunciations

    spelled = corpus_pronunciations("queen", (), [talk.text for talk in talks])
    root = write_tedlium(tmp_path, talks, {word: " ".join(ways[0]) for word, ways in spelled.items()})
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    figures = run(root, tmp_path, epochs=3, low_bit_epochs=1)
    assert [row["execution"] for row in figures["summary"]] == ["float", "quantized", "chip"]
    assert figures["corpus"]["utterances"] == 10
    assert all(0 < row["wer"] <= 1.5 for row in figures["rows"])
