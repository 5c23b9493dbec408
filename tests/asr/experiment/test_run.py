import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lhotse import CutSet

import memrix
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.corpora.writing import write_cuts
from memrix.asr.evaluation.batches import batch_of
from memrix.asr.evaluation.building import Networks
from memrix.asr.evaluation.records import Execution
from memrix.asr.evaluation.report import to_markdown
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.experiment.run import run_experiment
from memrix.asr.recognizer_files import load_recognizer, open_recognizer, quantize_recognizer, save_recognizer
from memrix.asr.training.stages import calibrate_recognizer
from memrix.errors import CheckpointError, DataError
from memrix.hardware import Hardware
from tests.asr.experiment.conftest import Listener
from tests.asr.tones import tone_settings


def figures(result):
    """All but the time that it took and where files are."""
    table = result.evaluation.to_dict()
    for row in (*table["rows"], *table["summary"]):
        row.pop("seconds_per_audio_second")
    return {name: table[name] for name in ("rows", "summary", "hardware", "decoding", "intervals")}


def trained_of(done):
    """Settings that use what an experiment has trained."""
    floating, low_bit = (done.folder / name / "model.safetensors" for name in ("float", "low-bit-3"))
    return {"recognizer": str(floating), "low_bit": (f"3:{low_bit}",)}


def measured(settings, folder):
    """The result of an experiment, and which executions it ran."""
    listener = Listener()
    return run_experiment(settings, folder, listener), listener.measured


CHIPS = ["paper, 3 bit, chip 0", "paper, 3 bit, chip 1"]


def test_from_a_corpus_to_word_error_rates(done):
    result = done.result.evaluation
    assert [str(row) for row in result.rows] == ["float", "quantized, 3 bit", *CHIPS]
    assert [str(row) for row in result.summary] == ["float", "quantized, 3 bit", "paper, 3 bit"]
    floating, _, chips = result.summary
    assert floating.wer < 0.1
    assert floating.label_error_rate < 0.1
    assert floating.over_float is None
    assert chips.deviation is not None
    assert chips.lowest <= chips.wer <= chips.highest
    assert chips.cells > 0
    assert chips.over_quantized is not None
    assert result.corpus["utterances"] == 12
    assert done.listener.measured == ["float", "quantized, 3 bit", *CHIPS]
    assert any(note.startswith("training low-bit-3") for note in done.listener.notes)
    table = to_markdown(result).splitlines()
    assert len([line for line in table if line.startswith("|")]) == 2 + 3
    assert table[-1].endswith("None holds other trainings or other speakers.")
    json.dumps(result.to_dict(), allow_nan=False)


def test_nothing_is_done_twice(quick, done):
    result, again = measured(quick(), done.folder)
    assert figures(result) == figures(done.result)
    assert again == []


def test_more_chips_add_to_what_is_there(quick, done, tmp_path):
    folder = shutil.copytree(done.folder, tmp_path / "moved")
    assert measured(quick(chips=3), folder)[1] == ["paper, 3 bit, chip 2"]


def test_recognizers_written_anew_are_the_same(quick, done, tmp_path):
    folder = shutil.copytree(done.folder, tmp_path / "moved")
    for name in ("float", "low-bit-3"):
        path = folder / name / "model.safetensors"
        recognizer, training = load_recognizer(path)
        save_recognizer(path, recognizer, training)
    assert measured(quick(), folder)[1] == []


def test_an_experiment_of_an_earlier_version_goes_on_in_its_folders(quick, done, tmp_path):
    folder = shutil.copytree(done.folder, tmp_path / "moved")
    (folder / "low-bit-3").rename(folder / "coarse-3")
    assert measured(quick(), folder)[1] == []
    assert not (folder / "low-bit-3").exists()


def test_another_seed_is_other_chips(quick, done, tmp_path):
    folder = shutil.copytree(done.folder, tmp_path / "moved")
    other, again = measured(quick(seed=1, **trained_of(done)), folder)
    assert again[-2:] == CHIPS
    assert other.evaluation.rows[2].loss != done.result.evaluation.rows[2].loss


def test_the_beam_of_a_search_that_is_given_can_be_changed(quick, done, tmp_path):
    changed = run_experiment(quick(chips=1, beam=1, **trained_of(done)), tmp_path).trained.search
    assert changed.beam_size == 1


def test_other_transcripts_are_measured_anew(quick, done, tones, tmp_path):
    corpus = shutil.copytree(tones, tmp_path / "tones")
    settings = dataclasses.replace(quick(**trained_of(done)), corpus=str(corpus))
    folder = shutil.copytree(done.folder, tmp_path / "experiment")
    assert measured(settings, folder)[1] == []
    test = open_corpus(str(corpus)).cuts("test").to_eager()
    write_cuts(corpus / "test.jsonl.gz", [twice_as_long(cut) for cut in CutSet.from_file(corpus / "test.jsonl.gz")])
    result, again = measured(settings, folder)
    assert len(again) == 4
    assert result.evaluation.rows[0].words == 2 * sum(len(cut.supervisions[0].text.split()) for cut in test)


def twice_as_long(cut):
    """An utterance whose transcript says everything twice."""
    (said,) = cut.supervisions
    return dataclasses.replace(cut, supervisions=[dataclasses.replace(said, text=f"{said.text} {said.text}")])


def test_another_training_text_is_another_language_model(quick, done, tones, tmp_path, monkeypatch):
    texts = []

    def estimated(given, path):
        texts.append(list(given))
        shutil.copy(tones / "lm.arpa", path)

    monkeypatch.setattr("memrix.asr.evaluation.words.estimate", estimated)
    settings = quick(language_model=None, chips=1, limit=2, **trained_of(done))
    run_experiment(settings, tmp_path)
    run_experiment(settings, tmp_path)
    assert len(texts) == 1
    corpus = shutil.copytree(tones, tmp_path / "tones")
    write_cuts(corpus / "train.jsonl.gz", [twice_as_long(cut) for cut in CutSet.from_file(corpus / "train.jsonl.gz")])
    run_experiment(dataclasses.replace(settings, corpus=str(corpus)), tmp_path)
    assert len(texts) == 2


def test_recognizers_can_be_given(quick, done, tmp_path):
    listener = Listener()
    result = run_experiment(quick(**trained_of(done)), tmp_path, listener)
    assert not [note for note in listener.notes if note.startswith("training")]
    assert figures(result) == figures(done.result)


def test_hardware_that_is_tuned_gets_its_calibration_samples(quick, done, tmp_path):
    settings = quick(hardware=("tuned",), chips=1, **trained_of(done))
    row = run_experiment(settings, tmp_path).evaluation.rows[2]
    assert row.hardware == "tuned"
    assert row.wer < 0.3


PROGRAM = """
import sys
import memrix.asr.pronunciation as pronunciation
from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.training.settings import TrainingSettings
pronunciation.cmu_dictionary = dict
pronunciation.own_dictionary = lambda name: pronunciation.read_dictionary({dictionary!r})
ExperimentSettings.float_training = lambda self: TrainingSettings.from_dict({table!r})
settings = ExperimentSettings(corpus={corpus!r}, weight_bits=(3,), chips=2, low_bit_epochs=(2,),
                              language_model={language_model!r}, **{given!r})
run_experiment(settings, sys.argv[1])
"""


def killed(tones, folder, landmark, given):
    """Start an experiment, and kill it once there is a file that fits a pattern."""
    program = PROGRAM.format(
        dictionary=str(tones / "tones.dict"),
        table=tone_settings(tones, epochs=20),
        corpus=str(tones),
        language_model=str(tones / "lm.arpa"),
        given=given,
    )
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment)
    while process.poll() is None and not [*folder.glob(landmark)]:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [*folder.glob(landmark)]


@pytest.mark.slow
def test_an_evaluation_that_was_killed_ends_with_the_same_figures(quick, done, tones, tmp_path):
    given = {**trained_of(done), "batch_size": 2}
    killed(tones, tmp_path / "killed", "measured/*/*.jsonl", given)
    whole = figures(run_experiment(quick(**given), tmp_path / "whole"))
    listener = Listener()
    again = run_experiment(quick(**given), tmp_path / "killed", listener)
    assert any("batches are kept from an earlier call" in note for note in listener.notes)
    assert figures(again) == whole


@pytest.mark.slow
def test_a_killed_experiment_ends_with_the_same_figures(quick, done, tones, tmp_path):
    """Killed in the training, killed again while it measures."""
    for landmark in ("float/last.ckpt", "measured/*/*.jsonl"):
        killed(tones, tmp_path / "killed", landmark, {})
    again = run_experiment(quick(), tmp_path / "killed")
    assert figures(again) == figures(done.result)


def test_what_is_missing_is_said(quick, done, tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        run_experiment(quick(recognizer="nowhere.safetensors", low_bit=trained_of(done)["low_bit"]), tmp_path)
    with pytest.raises(DataError, match="has no part 'test-other'; it has none"):
        run_experiment(quick(part="test-other", **trained_of(done)), tmp_path)
    with pytest.raises(DataError, match=r"nothing\.dict"):
        run_experiment(quick(dictionaries=("nothing.dict",), **trained_of(done)), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be used for an experiment"):
        run_experiment(quick(), tmp_path / "file" / "run")
    with pytest.raises(DataError, match="corpus prepare"):
        run_experiment(quick().__class__(corpus="nowhere"), tmp_path)


@pytest.mark.parametrize(
    ("pattern", "content", "message"),
    [
        ("measured/*/*.jsonl", "{\n", "delete that file"),
        ("search-*.json", "{", "remove it to tune again"),
        ("search-*.json", '{"settings": {"lm": 2}}', "remove it to tune again"),
        ("prior-*.json", "{", "remove it to find it again"),
        ("prior-*.json", '{"priors": {"float": [2.0]}}', "remove it to find it again"),
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
    with pytest.raises(CheckpointError, match="of 3 bit, expected one of 4 bit"):
        run_experiment(quick(recognizer=floating, weight_bits=(4,), low_bit=(f"4:{low_bit}",)), tmp_path)
    with pytest.raises(CheckpointError, match="of 3 bit, expected one in float"):
        run_experiment(quick(recognizer=low_bit, low_bit=(f"3:{low_bit}",)), tmp_path)


def networks_of(recognizer, settings, cuts):
    held = [batch_of_cut(cut) for cut in cuts]
    return Networks(settings, recognizer, {settings.weight_bits[0]: recognizer}, [held], Reporter())


def batch_of_cut(cut):
    from memrix.asr.corpus import Utterance

    return Utterance(cut.id, Path(cut.recording.sources[0].source), cut.supervisions[0].text)


def test_chips_that_are_tuned_leave_the_network_as_it_was_trained(quick, done):
    path = done.folder / "low-bit-3" / "model.safetensors"
    recognizer, before = load_recognizer(path)[0], load_recognizer(path)[0].state_dict()
    train = open_corpus(quick().corpus).cuts("train").subset(first=4).to_eager()
    settings = quick(hardware=("tuned",)).evaluation("float", {})
    chip = networks_of(recognizer, settings, train).build(Execution("chip", 3, 0, "tuned"))
    for name, value in recognizer.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert memrix.summary(chip.network).cells > 0


def test_chips_hold_the_integers_that_the_network_was_trained_with(quick, done):
    recognizer = open_recognizer(str(done.folder / "float" / "model.safetensors"))
    corpus = open_corpus(quick().corpus)
    trained = Hardware.preset("physical").replace(weight_bits=2, weight_range="mean-square-error")
    calibrate_recognizer(recognizer, trained, corpus.cuts("train").to_eager())
    quantize_recognizer(recognizer, trained, memrix.Quantization())
    recognizer.eval()
    settings = quick(hardware=("ideal",), weight_bits=(2,)).evaluation("float", {})
    assert Hardware.preset("ideal").weight_range != trained.weight_range
    cuts = corpus.cuts("test").subset(first=3).to_eager()
    chip = networks_of(recognizer, settings, cuts).build(Execution("chip", 2, 0, "ideal"))
    batch = batch_of(recognizer, [batch_of_cut(cut) for cut in cuts])
    torch.testing.assert_close(chip.encode(batch), recognizer.encode(batch), rtol=0, atol=2e-3)


def test_a_recognizer_of_an_experiment_is_one_of_its_hardware(done):
    recognizer, training = load_recognizer(done.folder / "low-bit-3" / "model.safetensors")
    assert recognizer.description["hardware"]["weight_bits"] == 3
    assert training["settings"]["method"] == "quantization-aware"
