"""Recipes of published experiments: what they say, and that one command runs them on miniature corpora."""

import json
import tomllib
from importlib.resources import files

import numpy as np
import pytest

from memrix import Hardware
from memrix.asr.experiment.settings import ExperimentSettings, experiment_of
from memrix.cli.main import main
from memrix.errors import SettingsError
from tests.asr.miniature import Spoken, write_librispeech, write_tedlium
from tests.asr.tones import PRONUNCIATIONS, random_sentence, spoken

PAPER = Hardware.preset("paper")


def settings_of(recipe: str, **given) -> ExperimentSettings:
    return ExperimentSettings(**{"model": recipe, **experiment_of(recipe), **given})


def test_tedlium2_is_the_experiment_of_the_paper():
    settings = settings_of("tedlium2")
    training = settings.float_training()
    assert (training.corpus, settings.corpus) == ("tedlium2", "tedlium2")
    assert (training.model.width, training.model.blocks, training.labels) == (384, 12, None)
    assert settings.weight_bits == (8, 7, 6, 5, 4, 3, 2)
    assert settings.variants(3) == {"paper": PAPER.replace(weight_bits=3)}


def test_librispeech_compares_converters_of_positions():
    settings = settings_of("librispeech")
    training = settings.float_training()
    assert (training.corpus, training.labels.kind, training.labels.size) == ("librispeech", "subwords", 128)
    assert (training.model.width, training.model.relative_positions) == (512, True)
    paper = PAPER.replace(weight_bits=3)
    chips = {
        name: (chip.of_layers(), chip.of_layers(*chip.layers), tuple(chip.layers))
        for name, chip in settings.variants(3).items()
    }
    split = paper.replace(**{"adc.precision_bits": 1, "adc.range_bits": 7})
    assert chips["ADC 4/4"] == (paper, paper, ())
    assert chips["positions 1/7, others 4/4"] == (paper, split, ("*.position",))
    assert chips["positions digital"] == (paper, None, ("*.position",))
    assert settings.low_bit_training(3, "float.safetensors").hardware == paper


def test_options_replace_what_a_recipe_says():
    settings = settings_of("librispeech", weight_bits=(4,), hardware=("tuned",), hardware_names=())
    assert list(settings.variants(4)) == ["tuned"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[experiment]\nchps = 3\n", r"'chps' \(did you mean 'chips'\?\)"),
        ("experiment = 3\n", "experiment must be a table of settings, got 3"),
        ("[experiment]\nchips = 0\n", "chips must be a whole number from 1 on"),
        ("[experiment.hardware]\na = {preset = 'paper', adc = {rang_bits = 3}}\n", "did you mean 'range_bits'"),
        ("[experiment]\nhardware = ['paper', 'tuned']\nhardware_names = ['one']\n", "one name for each of 2 chips"),
        ("[experiment]\nhardware_names = [4, 3]\nhardware = ['paper', 'tuned']\n", r"got \(4, 3\)"),
        ("[experiment]\nhardware_names = ['a', 'a']\nhardware = ['paper', 'tuned']\n", "each another one"),
    ],
)
def test_a_table_that_says_nothing_of_use_is_refused(tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        settings_of(str(tmp_path / "mine.toml"))


def small(recipe: str, tmp_path) -> str:
    """The recipe with a model that is trained in seconds."""
    text = (files("memrix.asr") / "configs" / f"{recipe}.toml").read_text()
    model = {"preset": "small", "width": 24, "blocks": 1, "heads": 2, "feed_forward": 48, "kernel": 9}
    given = tomllib.loads(text).get("model", {})
    positions = given.get("relative_positions", False) if isinstance(given, dict) else False
    lines = [f"{name} = {json.dumps(value)}" for name, value in {**model, "relative_positions": positions}.items()]
    if "[model]" in text:
        start = text.index("[model]")
        end = text.index("[labels]")
        text = text[:start] + "\n".join(["[model]", *lines, "", ""]) + text[end:]
    else:
        text = text.replace('model = "paper"', f"model = {{ {', '.join(lines)} }}")
    path = tmp_path / f"{recipe}.toml"
    path.write_text(text)
    return str(path)


def run(recipe: str, tmp_path, *options: str) -> dict:
    """Figures of one command, with one epoch of each training."""
    command = ["experiment", "--model", small(recipe, tmp_path), "--epochs", "1", "--low-bit-epochs", "1"]
    command += ["--weight-bits", "3", "--chips", "1", "--calibration-clips", "4", *options]
    assert main([*command, "--output", str(tmp_path / "out"), "--json", str(tmp_path / "figures.json")]) == 0
    return json.loads((tmp_path / "figures.json").read_text())


@pytest.mark.slow
def test_tedlium2_on_a_miniature(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    draw = np.random.default_rng(0)
    talks = [
        Spoken(split, talk, text, spoken(text, draw))
        for split, talk in (("train", "AliceA_2001"), ("dev", "CarolC_2003"), ("test", "DaveD_2004"))
        for text in (random_sentence(draw) for _ in range(8))
    ]
    root = write_tedlium(tmp_path, talks, PRONUNCIATIONS)
    assert main(["corpus", "prepare", "tedlium2", "--source", str(root)]) == 0
    figures = run("tedlium2", tmp_path)
    assert figures["corpus"]["name"] == "tedlium2"
    assert [row["execution"] for row in figures["rows"]] == ["float", "quantized", "chip"]


@pytest.mark.slow
def test_librispeech_on_a_miniature(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    texts = ["the cat sat on the mat", "a dog ran over the hill", "she sees the sea", "we hear the old clock"]
    parts = ("train-clean-100", "dev-clean", "test-other")
    spoken_texts = {
        part: {f"{number}-1-{index:04}": text.upper() for index, text in enumerate(texts * 2)}
        for number, part in enumerate(parts, start=1)
    }
    root = write_librispeech(tmp_path, spoken_texts)
    assert main(["corpus", "prepare", "librispeech", "--source", str(root)]) == 0
    figures = run("librispeech", tmp_path, "--part", "test-other")
    assert [row["hardware"] for row in figures["rows"] if row["execution"] == "chip"] == [
        "ADC 4/4",
        "ADC 8/8",
        "positions 4/8, others 4/4",
        "positions 1/7, others 4/4",
        "positions digital",
    ]
