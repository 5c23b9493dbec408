import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from lhotse import CutSet

import memrix
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.corpora.writing import write_cuts
from memrix.asr.experiment.report import rows_of, to_json, to_markdown
from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.systems import on_chip
from memrix.asr.recognizer_files import load_recognizer, quantize_recognizer, save_recognizer
from memrix.asr.training.calibration import calibrate_recognizer
from memrix.asr.transcription import emissions
from memrix.errors import CheckpointError, DataError
from memrix.hardware import Hardware
from tests.asr.tones import tone_settings


def figures(result):
    """All but the time that it took."""
    table = to_json(result)
    for system in table["systems"]:
        system.pop("seconds")
    return table


def test_from_a_corpus_to_word_error_rates(done):
    result = done.result
    rows = rows_of(result)
    assert [row.name for row in rows] == ["float", "quantized, 3 bit", "paper, 3 bit"]
    assert rows[0].rate < 0.1
    assert rows[0].over_float is None
    assert rows[2].deviation is not None
    assert rows[2].lowest <= rows[2].rate <= rows[2].highest
    assert rows[2].cells > 0
    assert rows[2].over_quantized is not None
    assert any("measuring paper, 3 bit, chip 1" in text for text in done.said)
    *table, _, note = to_markdown(result).splitlines()
    assert len(table) == 2 + 3
    assert note.endswith("None holds other trainings or other speakers.")
    json.dumps(to_json(result))


def test_nothing_is_done_twice(quick, done):
    said = []
    result = run_experiment(quick(), done.folder, said.append)
    assert figures(result) == figures(done.result)
    assert not [text for text in said if text.startswith(("measuring", "LM scale"))]


def test_more_chips_add_to_what_is_there(quick, done, tmp_path):
    folder = shutil.copytree(done.folder, tmp_path / "moved")
    said = []
    run_experiment(quick(chips=3), folder, said.append)
    assert [text for text in said if text.startswith("measuring")] == ["measuring paper, 3 bit, chip 2"]


def test_recognizers_written_anew_are_the_same(quick, done, tmp_path):
    folder = shutil.copytree(done.folder, tmp_path / "moved")
    for name in ("float", "low-bit-3"):
        path = folder / name / "model.safetensors"
        recognizer, training = load_recognizer(path)
        save_recognizer(path, recognizer, training)
    said = []
    run_experiment(quick(), folder, said.append)
    assert not [text for text in said if text.startswith("measuring")]


def test_an_experiment_of_an_earlier_version_goes_on_in_its_folders(quick, done, tmp_path):
    folder = shutil.copytree(done.folder, tmp_path / "moved")
    (folder / "low-bit-3").rename(folder / "coarse-3")
    said = []
    run_experiment(quick(), folder, said.append)
    assert not [text for text in said if text.startswith("measuring")]
    assert not (folder / "low-bit-3").exists()


def measured_with(settings, folder):
    """What an experiment says that it measures."""
    said = []
    result = run_experiment(settings, folder, said.append)
    return result, [text for text in said if text.startswith("measuring")]


def test_another_seed_is_other_chips(quick, done, tmp_path):
    folder = shutil.copytree(done.folder, tmp_path / "moved")
    given = {
        "recognizer": str(folder / "float" / "model.safetensors"),
        "low_bit": ((3, str(folder / "low-bit-3" / "model.safetensors")),),
    }
    _, measured = measured_with(quick(seed=1, **given), folder)
    assert measured == ["measuring paper, 3 bit, chip 0", "measuring paper, 3 bit, chip 1"]
    first, _ = measured_with(quick(seed=1, **given), folder)[0].of("chip", 3, "paper")
    known = done.result.of("chip", 3, "paper")[1]
    assert (first.hypotheses, first.label_errors) == (known.hypotheses, known.label_errors)


def test_the_beam_of_a_search_that_is_given_can_be_changed(quick, done, tmp_path):
    search = done.result.trained.search
    given = {"recognizer": str(done.folder / "float" / "model.safetensors"), "search": search}
    given["low_bit"] = ((3, str(done.folder / "low-bit-3" / "model.safetensors")),)
    assert run_experiment(quick(chips=1, **given), tmp_path).trained.search == search
    changed = run_experiment(quick(chips=1, beam=1, **given), tmp_path).trained.search
    assert changed == dataclasses.replace(search, beam_size=1)


def test_other_transcripts_are_measured_anew(quick, done, tones, tmp_path):
    corpus = shutil.copytree(tones, tmp_path / "tones")
    settings = dataclasses.replace(
        quick(),
        corpus=str(corpus),
        recognizer=str(done.folder / "float" / "model.safetensors"),
        low_bit=((3, str(done.folder / "low-bit-3" / "model.safetensors")),),
    )
    folder = shutil.copytree(done.folder, tmp_path / "experiment")
    assert measured_with(settings, folder)[1] == []
    test = open_corpus(str(corpus)).cuts("test").to_eager()
    write_cuts(corpus / "test.jsonl.gz", [twice_as_long(cut) for cut in CutSet.from_file(corpus / "test.jsonl.gz")])
    result, measured = measured_with(settings, folder)
    assert len(measured) == 4
    assert sum(result.of("float")[0].words) == 2 * sum(len(cut.supervisions[0].text.split()) for cut in test)


def twice_as_long(cut):
    """An utterance whose transcript says everything twice."""
    (said,) = cut.supervisions
    return dataclasses.replace(cut, supervisions=[dataclasses.replace(said, text=f"{said.text} {said.text}")])


def test_another_training_text_is_another_language_model(quick, done, tmp_path, monkeypatch):
    texts = []

    def estimated(given, path):
        texts.append(list(given))
        shutil.copy(quick().language_model, path)

    monkeypatch.setattr("memrix.asr.experiment.run.estimate", estimated)
    settings = quick(
        language_model=None,
        chips=1,
        recognizer=str(done.folder / "float" / "model.safetensors"),
        low_bit=((3, str(done.folder / "low-bit-3" / "model.safetensors")),),
    )
    run_experiment(settings, tmp_path)
    run_experiment(settings, tmp_path)
    assert len(texts) == 1
    (tmp_path / "lm.json").write_text("{}")
    run_experiment(settings, tmp_path)
    assert len(texts) == 2


def test_recognizers_can_be_given(quick, done, tmp_path):
    settings = quick(
        recognizer=str(done.folder / "float" / "model.safetensors"),
        low_bit=((3, str(done.folder / "low-bit-3" / "model.safetensors")),),
    )
    said = []
    result = run_experiment(settings, tmp_path, said.append)
    assert not [text for text in said if text.startswith("training")]
    assert [row.rate for row in rows_of(result)] == [row.rate for row in rows_of(done.result)]


def test_hardware_that_is_tuned_gets_its_calibration_samples(quick, done, tmp_path):
    settings = quick(
        hardware=("tuned",),
        chips=1,
        recognizer=str(done.folder / "float" / "model.safetensors"),
        low_bit=((3, str(done.folder / "low-bit-3" / "model.safetensors")),),
    )
    rows = rows_of(run_experiment(settings, tmp_path))
    assert rows[2].name == "tuned, 3 bit"
    assert rows[2].rate < 0.3


@pytest.mark.slow
def test_a_killed_experiment_ends_with_the_same_figures(quick, done, tones, tmp_path):
    """Killed in the training, killed again while it measures."""
    table = tone_settings(tones, epochs=20)
    program = f"""
import sys
import memrix.asr.pronunciation as pronunciation
from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.training.settings import TrainingSettings
pronunciation.cmu_dictionary = dict
pronunciation.own_dictionary = lambda name: pronunciation.read_dictionary({str(tones / "tones.dict")!r})
ExperimentSettings.float_training = lambda self: TrainingSettings.from_dict({table!r})
settings = ExperimentSettings(corpus={str(tones)!r}, weight_bits=(3,), chips=2, low_bit_epochs=(2,),
                              language_model={str(tones / "lm.arpa")!r})
run_experiment(settings, sys.argv[1])
"""
    folder = tmp_path / "killed"
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    for landmark in ("float/last.ckpt", "systems"):
        process = subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment)
        while process.poll() is None and not (folder / landmark).exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (folder / landmark).exists()
    again = run_experiment(quick(), folder)
    assert figures(again)["rows"] == figures(done.result)["rows"]


def test_what_is_missing_is_said(quick, done, tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        run_experiment(quick(recognizer="nowhere.safetensors"), tmp_path)
    with pytest.raises(DataError, match="has no part 'test-other'; it has none"):
        run_experiment(quick(part="test-other"), tmp_path)
    given = {"recognizer": str(done.folder / "float" / "model.safetensors")}
    with pytest.raises(DataError, match=r"nothing\.dict"):
        run_experiment(quick(dictionaries=("nothing.dict",), **given), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be used for an experiment"):
        run_experiment(quick(), tmp_path / "file" / "run")
    with pytest.raises(DataError, match="corpus prepare"):
        run_experiment(quick().__class__(corpus="nowhere"), tmp_path)


@pytest.mark.parametrize(
    ("pattern", "content", "message"),
    [
        ("systems/[0-9a-f]*.json", "{", "remove it to measure again"),
        ("systems/[0-9a-f]*.json", "[]", "remove it to measure again"),
        ("search.json", "{", "remove it to tune again"),
        ("search.json", '{"settings": {"lm": 2}}', "remove it to tune again"),
        ("systems/prior-*.json", "{", "remove it to find it again"),
        ("systems/prior-*.json", '{"a": 1}', "remove it to find it again"),
    ],
)
def test_damaged_files_are_said(quick, done, tmp_path, pattern, content, message):
    folder = shutil.copytree(done.folder, tmp_path / "damaged")
    for path in folder.glob(pattern):
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        run_experiment(quick(chips=4), folder)


def test_a_recognizer_of_other_bits_is_refused(quick, done, tmp_path):
    floating, low_bit = (str(done.folder / name / "model.safetensors") for name in ("float", "low-bit-3"))
    with pytest.raises(CheckpointError, match="of 3 bit; expected one of 4 bit"):
        run_experiment(quick(recognizer=floating, weight_bits=(4,), low_bit=((4, low_bit),)), tmp_path)
    with pytest.raises(CheckpointError, match="of 3 bit; expected one in float"):
        run_experiment(quick(recognizer=low_bit), tmp_path)


def test_chips_that_are_tuned_leave_the_network_as_it_was_trained(quick, done):
    path = done.folder / "low-bit-3" / "model.safetensors"
    recognizer, before = load_recognizer(path)[0], load_recognizer(path)[0].state_dict()
    train = open_corpus(quick().corpus).cuts("train").to_eager()
    chip = on_chip(recognizer, Hardware.preset("tuned").replace(weight_bits=3), 0, train)
    for name, value in recognizer.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert memrix.summary(chip.network).cells > 0


def test_chips_hold_the_integers_that_the_network_was_trained_with(quick, done):
    recognizer = load_recognizer(done.folder / "float" / "model.safetensors")[0]
    corpus = open_corpus(quick().corpus)
    trained = Hardware.preset("physical").replace(weight_bits=2, weight_range="mean-square-error")
    calibrate_recognizer(recognizer, trained, corpus.cuts("train").to_eager(), batches=1, seconds=10.0)
    quantize_recognizer(recognizer, trained, memrix.Quantization())
    recognizer.eval()
    ideal = Hardware.preset("ideal").replace(weight_bits=2)
    assert ideal.weight_range != trained.weight_range
    cuts = corpus.cuts("test").subset(first=3).to_eager()
    quantized, chip = emissions(recognizer, cuts), emissions(on_chip(recognizer, ideal, 0, cuts), cuts)
    for name, frames in quantized.items():
        torch.testing.assert_close(chip[name], frames, rtol=0, atol=2e-3)


def test_a_recognizer_of_an_experiment_is_one_of_its_hardware(done):
    recognizer, training = load_recognizer(done.folder / "low-bit-3" / "model.safetensors")
    assert recognizer.description["hardware"]["weight_bits"] == 3
    assert training["settings"]["method"] == "quantization-aware"
