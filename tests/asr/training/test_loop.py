import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

import memrix
from memrix.asr.recognizer_files import chip_choice, load_recognizer
from memrix.asr.training.folder import RESULT, SETTINGS, STATE
from memrix.asr.training.loop import train
from memrix.asr.training.news import Epoch, Step
from memrix.asr.training.settings import TrainingSettings
from memrix.errors import CheckpointError, DataError, SettingsError
from memrix.toolkit import write_archive
from tests.asr.tones import tone_corpus, tone_settings


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones")).folder


@pytest.fixture(scope="module")
def short_corpus(tmp_path_factory):
    """Three batches an epoch."""
    return tone_corpus(tmp_path_factory.mktemp("short"), train=25, held_out=3).folder


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)


def settings_of(corpus, **changes):
    return TrainingSettings.from_dict(tone_settings(corpus, **changes))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """A recognizer that knows the language."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)
        return train(settings_of(corpus, epochs=20), tmp_path_factory.mktemp("trained"))


def history(path):
    return load_recognizer(path)[1]["epochs"]


def weights(path):
    return load_file(path)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_a_language_is_learned(trained):
    assert history(trained)[-1]["dev_error_rate"] < 0.05
    recognizer, training = load_recognizer(trained)
    assert not recognizer.training
    assert len(training["averaged"]) == 2
    assert training["settings"]["epochs"] == 20


def test_the_course_is_reported(corpus, tmp_path):
    news = []
    train(settings_of(corpus, epochs=2), tmp_path, news.append)
    steps = [item for item in news if isinstance(item, Step)]
    epochs = [item for item in news if isinstance(item, Epoch)]
    assert [epoch.epoch for epoch in epochs] == [0, 1]
    assert steps[0].rate == pytest.approx(1e-3)
    assert steps[-1].batch == steps[-1].batches - 1
    assert (tmp_path / "tensorboard").is_dir()


def test_a_finished_training_is_not_done_again(corpus, tmp_path):
    result = train(settings_of(corpus, epochs=1), tmp_path)
    before = result.stat().st_mtime_ns
    assert train(settings_of(corpus, epochs=1), tmp_path) == result
    assert result.stat().st_mtime_ns == before


def test_no_global_stream_is_touched(corpus, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(settings_of(corpus, epochs=1), tmp_path)
    assert torch.equal(before, torch.get_rng_state())


class StopError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["float", "quantization-aware", "hardware-aware"])
def test_a_training_cut_off_anywhere_ends_the_same(short_corpus, trained, tmp_path, method):
    changes = {"epochs": 2, "checkpoint_minutes": 1e-9, "method": method}
    if method != "float":
        changes |= {
            "start": str(trained),
            "hardware": {"preset": "paper", "weight_bits": 3},
            "quantization": {} if method == "hardware-aware" else {"weight_noise": 0.05, "noise_start_epoch": 1},
        }
    settings = settings_of(short_corpus, **changes)
    whole = train(settings, tmp_path / "whole")

    def stop_at(epoch, batch):
        def report(news):
            if isinstance(news, Step) and (news.epoch, news.batch) == (epoch, batch):
                raise StopError

        return report

    for place in ((0, 1), (1, 0), (1, 2)):
        with pytest.raises(StopError):
            train(settings, tmp_path / "parts", stop_at(*place))
    parts = train(settings, tmp_path / "parts")
    assert_same(weights(whole), weights(parts))


@pytest.mark.slow
def test_killed_processes_lose_nothing(corpus, tmp_path):
    settings = settings_of(corpus, epochs=4, checkpoint_minutes=1e-9)
    whole = train(settings, tmp_path / "whole")
    table = tone_settings(corpus, epochs=4, checkpoint_minutes=1e-9)
    program = (
        "import sys; from pathlib import Path; import memrix.asr.pronunciation as p; p.cmu_dictionary = dict\n"
        "from memrix.asr.training.loop import train; from memrix.asr.training.settings import TrainingSettings\n"
        f"train(TrainingSettings.from_dict({table!r}), sys.argv[1])\n"
    )
    folder = tmp_path / "killed"
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment)
        known = (folder / STATE).stat().st_mtime_ns if (folder / STATE).is_file() else 0
        while process.poll() is None and not (
            (folder / STATE).is_file() and (folder / STATE).stat().st_mtime_ns > known
        ):
            time.sleep(0.02)
        process.send_signal(number)
        process.wait()
        assert not (folder / RESULT).is_file()
    assert_same(weights(whole), weights(train(settings, folder)))


def test_low_bit_weights_are_learned_from_a_float_recognizer(corpus, trained, tmp_path):
    settings = settings_of(
        corpus,
        method="quantization-aware",
        start=str(trained),
        epochs=5,
        hardware={"preset": "paper", "weight_bits": 4},
        optimizer={"learning_rates": [2e-3, 1e-4], "phases": [1.0]},
    )
    result = train(settings, tmp_path)
    assert history(result)[-1]["dev_error_rate"] < 0.1
    recognizer, _ = load_recognizer(result)
    assert recognizer.description["hardware"]["weight_bits"] == 4


def test_steps_are_learned_from_a_float_recognizer(corpus, tmp_path):
    short = {"epochs": 1, "average": 1}
    settings = settings_of(
        corpus,
        method="quantization-aware",
        quantization={"learned_steps": True},
        start=str(train(settings_of(corpus, **short), tmp_path / "float")),
        hardware={"preset": "paper", "weight_bits": 4},
        **short,
    )
    recognizer, _ = load_recognizer(train(settings, tmp_path / "learned"))
    learned = [state for state in recognizer.network.modules() if hasattr(state, "learned_input_range")]
    assert learned
    assert all(state.calibrated for state in learned)
    assert any(state.learned_input_range != state.input_range for state in learned)
    hardware = memrix.Hardware.preset("paper").replace(weight_bits=4)
    assert memrix.check(recognizer.network, chip_choice(recognizer, hardware)).ok


def test_files_of_half_precision_are_loaded(trained, tmp_path):
    recognizer, _ = load_recognizer(trained)
    halves = {
        name: value.half() if value.is_floating_point() else value for name, value in recognizer.state_dict().items()
    }
    write_archive(tmp_path / "half.safetensors", halves, {"kind": recognizer.kind, **recognizer.description})
    again, _ = load_recognizer(tmp_path / "half.safetensors")
    audio = torch.randn(1, 8000)
    here, there = recognizer(audio, torch.tensor([8000]))[0], again(audio, torch.tensor([8000]))[0]
    torch.testing.assert_close(here, there, atol=0.05, rtol=0.05)


def test_other_settings_for_the_same_folder_are_refused(corpus, tmp_path):
    train(settings_of(corpus, epochs=1), tmp_path)
    with pytest.raises(CheckpointError, match=r"epochs: 1 there, 2 now"):
        train(settings_of(corpus, epochs=2), tmp_path)
    train(settings_of(corpus, epochs=1, workers=1, checkpoint_minutes=9.0), tmp_path)


def test_what_a_training_starts_from_may_be_moved_but_not_changed(corpus, trained, tmp_path):
    options = {"method": "quantization-aware", "epochs": 1, "hardware": {"preset": "paper", "weight_bits": 4}}
    first = shutil.copy(trained, tmp_path / "first.safetensors")
    result = train(settings_of(corpus, start=str(first), **options), tmp_path / "run")
    moved = first.rename(tmp_path / "moved.safetensors")
    assert train(settings_of(corpus, start=str(moved), **options), tmp_path / "run") == result
    with pytest.raises(CheckpointError, match="start_sha256"):
        train(settings_of(corpus, start=str(result), **options), tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"to start from cannot be used.*no file"):
        train(settings_of(corpus, start=str(first), **options), tmp_path / "run")


def test_a_corpus_prepared_anew_with_other_transcripts_is_refused(corpus, tmp_path):
    here = shutil.copytree(corpus, tmp_path / "corpus")
    settings = settings_of(here, epochs=1, average=1)
    result = train(settings, tmp_path / "run")
    moved = here.rename(tmp_path / "moved")
    settings = settings_of(moved, epochs=1, average=1, dictionaries=settings.dictionaries)
    assert train(settings, tmp_path / "run") == result
    path = moved / "train.jsonl.gz"
    first, *others = gzip.decompress(path.read_bytes()).decode().splitlines()
    cut = json.loads(first)
    cut["supervisions"][0]["text"] += " one"
    path.write_bytes(gzip.compress("\n".join([json.dumps(cut), *others]).encode()))
    with pytest.raises(CheckpointError, match="on other utterances than those of the corpus"):
        train(settings, tmp_path / "run")


def test_a_damaged_state_is_refused(corpus, tmp_path):
    settings = settings_of(corpus, epochs=1)
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / STATE).write_bytes(b"no state")
    with pytest.raises(CheckpointError, match="damaged"):
        train(settings, tmp_path)


def test_a_start_of_another_architecture_is_refused(corpus, trained, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError):
        train(settings_of(corpus, start=str(tmp_path / "x.safetensors")), tmp_path / "one")
    with pytest.raises(CheckpointError, match=r"model is .*'width': 24.*asked for .*'width': 256"):
        train(settings_of(corpus, start=str(trained), model="medium"), tmp_path / "two")
    with pytest.raises(CheckpointError, match="labels are phonemes, asked for subwords"):
        train(settings_of(corpus, start=str(trained), labels={"kind": "subwords"}), tmp_path / "three")


def test_a_loss_that_is_no_number_stops_and_keeps_the_state(corpus, tmp_path):
    hot = {"learning_rates": [1e9, 1e9], "phases": [1.0], "gradient_clip": 1e9}
    with pytest.raises(SettingsError, match="lower the learning rates"):
        train(settings_of(corpus, epochs=5, optimizer=hot), tmp_path)


def test_words_without_pronunciation_are_listed(corpus, tmp_path):
    (tmp_path / "few.dict").write_text("one W AH N\n")
    with pytest.raises(DataError, match=r"3 words cannot be spelled.*four, three, two.*dictionar"):
        train(settings_of(corpus, dictionaries=[str(tmp_path / "few.dict")]), tmp_path / "run")


def test_a_full_disk_is_said_and_nothing_is_lost(corpus, tmp_path, monkeypatch):
    import errno

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    settings = settings_of(corpus, epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr("torch.save", full)
        with pytest.raises(CheckpointError, match="free some space"):
            train(settings, tmp_path)
    assert not list(tmp_path.glob(".*part"))
    assert train(settings, tmp_path).is_file()


def test_settings_are_kept_with_the_training(corpus, tmp_path):
    train(settings_of(corpus, epochs=1), tmp_path)
    assert json.loads((tmp_path / "settings.json").read_text())["seconds_per_batch"] == 10.0


@pytest.mark.parametrize("damage", [b"", b'{"corpus": "to', b'{"corpus": "\xc3'])
def test_settings_that_were_cut_off_hold_no_training(corpus, tmp_path, damage):
    (tmp_path / SETTINGS).write_bytes(damage)
    settings = settings_of(corpus, epochs=1)
    assert train(settings, tmp_path).is_file()
    assert json.loads((tmp_path / SETTINGS).read_text())["epochs"] == 1
    (tmp_path / SETTINGS).write_bytes(damage)
    with pytest.raises(CheckpointError, match=r"settings\.json are damaged .*; remove the file to go on"):
        train(settings, tmp_path)


def test_settings_are_whole_or_not_there(corpus, tmp_path, monkeypatch):
    import errno

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", full)
        with pytest.raises(DataError, match=r"settings\.json cannot be written .*No space left.*free some space"):
            train(settings_of(corpus, epochs=1), tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_no_settings_is_refused(corpus, tmp_path):
    (tmp_path / SETTINGS).write_text("[1]")
    with pytest.raises(CheckpointError, match="holds no settings of a training"):
        train(settings_of(corpus, epochs=1), tmp_path)
