"""Costs of an utterance: what can be wrong, and a run."""

import json

import pytest

from memrix import Hardware
from memrix.asr.evaluation.costs import costs_of_utterances
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.settings import CostSettings
from memrix.errors import MemrixError, SettingsError


@pytest.mark.parametrize(("name", "value"), [("limit", 0), ("limit", 1.5), ("seed", -1)])
def test_settings_are_checked(name, value):
    with pytest.raises(SettingsError, match=f"{name} must be a whole number"):
        CostSettings(**{name: value})


def test_constants_are_read_before_a_chip_is_programmed(tones, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[adc_energy]\nvalue = 1.0\n")
    told = []
    reporter = Reporter()
    reporter.note = told.append
    with pytest.raises(SettingsError, match="adc_energy has no unit"):
        costs_of_utterances(CostSettings(corpus=str(tones), constants=str(path)), Hardware(), reporter)
    assert not told


def test_a_corpus_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(MemrixError):
        costs_of_utterances(CostSettings(corpus=str(tmp_path / "nothing")), Hardware())


def test_a_whisper_reads_what_it_would_write(whisper_folder, tones):
    import memrix
    from memrix.asr.corpora.catalog import load_corpus
    from memrix.asr.evaluation.batches import inputs_of
    from memrix.asr.seq2seq.pretrained import load_seq2seq

    recognizer = load_seq2seq(str(whisper_folder))
    given = [inputs_of(recognizer, [utterance]) for utterance in load_corpus(str(tones)).utterances[:2]]
    hardware = Hardware(weight_bits=3, programming="ideal")
    choice = recognizer.chip_choice(hardware)
    memrix.calibrate(recognizer.network, given, choice)
    chip = memrix.program(recognizer.network, choice)
    costs = memrix.costs(chip, given, inputs=2)
    vectors = {layer.name: layer.vectors for layer in costs.by_layer}
    tokens = sum(inputs["decoder_input_ids"].shape[1] for inputs in given) / 2
    assert vectors["model.decoder.layers.0.fc1"] == tokens
    assert vectors["model.encoder.layers.0.fc1"] > tokens
    assert any(layer.name == "other matrix products" for layer in costs.digital)  # attention


@pytest.mark.slow
def test_the_recognizer_that_comes_with_memrix_runs_on_a_chip_and_on_a_saved_one(tones, tmp_path, capsys):
    import memrix
    from memrix.asr.chips import on_chip
    from memrix.asr.recognizer_files import load_recognizer
    from memrix.asr.trained_recognizers import open_trained
    from memrix.cli.main import main

    json_file, chart = tmp_path / "costs.json", tmp_path / "costs.png"
    common = ["study", "cost", "ideal", "--corpus", str(tones), "--limit", "1"]
    assert main([*common, "--json", str(json_file), "--chart", str(chart)]) == 0
    assert chart.stat().st_size > 10_000
    plain = json.loads(json_file.read_text())
    assert (plain["utterances"], plain["weight_bits"]) == (1, 3)
    assert plain["hardware"]["weight_bits"] == 3
    assert plain["versions"]["memrix"]
    costs = plain["costs"]
    assert costs["inputs"] == 1
    assert costs["energy"] == pytest.approx(sum(costs["by_cause"].values()))
    printed = capsys.readouterr().out
    assert printed.startswith("ideal: 1 utterance of ")
    assert "weights of 3 bits, word and bit lines of 0 and 0 ohm a cell" in printed
    assert "blocks.5.second.down" in printed
    assert "all digital, 8 bits" in printed

    (_, path), *_ = sorted(open_trained("queen-small").low_bit)
    recognizer = load_recognizer(path)[0]
    hardware = Hardware.preset("ideal").replace(weight_bits=3)
    chip = on_chip(recognizer, hardware, ())
    memrix.save(chip.network, tmp_path / "chip.safetensors")
    saved = [*common, "--chip", str(tmp_path / "chip.safetensors"), "--json", str(json_file)]
    assert main(saved) == 0
    assert json.loads(json_file.read_text())["costs"] == costs


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["--weight-bits", "5"],
            "queen-small has recognizers with weights of 4, 3 bits and in float, and weight_bits is 5",
        ),
        (["--chip", "nowhere.safetensors"], "there is no such file; --chip takes a chip"),
        (["--constants", "nowhere.toml"], "--constants takes constants of costs"),
        (["--limit", "0"], "limit must be a whole number from 1"),
    ],
)
def test_bad_options_are_told(arguments, problem, tones, capsys):
    from memrix.cli.main import EXIT_ERROR, main

    assert main(["study", "cost", "--corpus", str(tones), *arguments]) == EXIT_ERROR
    assert problem in " ".join(capsys.readouterr().err.split())
