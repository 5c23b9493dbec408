"""A corpus of an attacker: nothing of it is executed, whatever reads it."""

import contextlib
import json

import pytest

from memrix.asr.corpora.catalog import load_corpus, prepare_corpus
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.training.loop import train
from memrix.asr.training.settings import TrainingSettings
from memrix.cli.main import EXIT_ERROR, main
from memrix.errors import DataError, MemrixError
from tests.asr.attacks.vectors import CORPUS_ATTACKS, rewritten, shell_named, sourced, with_settings
from tests.asr.miniature import write_manifests
from tests.asr.tones import tone_settings

SPLITS = ("train", "dev", "test")


def config_of(folder, tmp_path, **settings):
    lines = [f"corpus = {json.dumps(str(folder))}", 'model = "small"', "epochs = 1"]
    path = tmp_path / "config.toml"
    path.write_text("\n".join(lines + [f"{key} = {value}" for key, value in settings.items()]))
    return path


@pytest.mark.parametrize("attack", CORPUS_ATTACKS)
def test_its_cuts_are_refused_by_name_before_anything_is_read(attacked, trace, attack):
    change, said = CORPUS_ATTACKS[attack]
    for split in SPLITS:
        rewritten(attacked / f"{split}.jsonl.gz", lambda cut: change(cut, trace))
    corpus = open_corpus(str(attacked))
    for split in SPLITS:
        with pytest.raises(DataError, match=f"line 1: .*{said}"):
            corpus.cuts(split)
    assert not trace.was_left


@pytest.mark.parametrize("attack", CORPUS_ATTACKS)
def test_no_entry_runs_it(attacked, trace, tmp_path, attack):
    change, _ = CORPUS_ATTACKS[attack]
    for split in SPLITS:
        rewritten(attacked / f"{split}.jsonl.gz", lambda cut: change(cut, trace))
    entries = {
        "evaluate": lambda: load_corpus(str(attacked)),
        "train": lambda: train(TrainingSettings.from_dict(tone_settings(attacked)), tmp_path / "run"),
        "experiment": lambda: run_experiment(ExperimentSettings(corpus=str(attacked)), tmp_path / "experiment"),
        "prepare": lambda: prepare_corpus("mine", attacked, tmp_path / "prepared"),
        "prepare the rest": lambda: prepare_corpus("mine", attacked, tmp_path / "rest", skip_bad=True).cuts("dev"),
    }
    for name, entry in entries.items():
        try:
            entry()
        except MemrixError:
            pass
        else:
            assert name == "prepare the rest"  # the cuts that are no attack
        assert not trace.was_left, name


@pytest.mark.parametrize("attack", ["command", "pipe", "impulse response", "custom array"])
def test_no_command_runs_it(attacked, trace, tmp_path, attack, whisper_folder, capsys):
    change, _ = CORPUS_ATTACKS[attack]
    for split in SPLITS:
        rewritten(attacked / f"{split}.jsonl.gz", lambda cut: change(cut, trace))
    place, run = str(attacked), str(tmp_path / "run")
    for arguments in (
        ["evaluate", "--model", str(whisper_folder), "--corpus", place],
        ["train", "--config", str(config_of(attacked, tmp_path)), "--output", run],
        ["experiment", "paper", "--corpus", place, "--output", run],
        ["corpus", "show", place],
        ["corpus", "prepare", "mine", "--source", place, "--output", str(tmp_path / "prepared")],
    ):
        assert main(arguments) == EXIT_ERROR, arguments
        assert "line 1: " in capsys.readouterr().err
        assert not trace.was_left, arguments


@pytest.mark.parametrize("suffix", [".sph", ".opus", ".wav"])
def test_names_of_files_are_no_lines_of_a_shell(attacked, trace, tmp_path, suffix):
    name = shell_named(attacked, trace, suffix)
    for split in SPLITS:
        rewritten(attacked / f"{split}.jsonl.gz", lambda cut: sourced(source=name)(cut, trace))
    cut = next(iter(open_corpus(str(attacked)).cuts("train")))
    with pytest.raises(DataError, match=r"of train-0 cannot be read|shorter"):
        # Of another length than the manifest says, so that it ends in an error where it is read.
        train(TrainingSettings.from_dict(tone_settings(attacked, epochs=1)), tmp_path / "run")
    assert cut.recording.sources[0].source.endswith(name)
    assert not trace.was_left
    assert load_corpus(str(attacked)).utterances[0].samples().size == 16_000


def test_recordings_lie_inside_of_the_corpus(attacked, trace, tmp_path):
    outside = tmp_path / "outside.wav"
    outside.write_bytes((attacked / "audio" / "train-0.wav").read_bytes())
    (attacked / "audio" / "link.wav").symlink_to(outside)
    for name in (str(outside), "../outside.wav", "audio/link.wav", "audio/../../outside.wav"):
        rewritten(attacked / "train.jsonl.gz", lambda cut, name=name: sourced(source=name)(cut, trace))
        with pytest.raises(DataError, match="is outside of the corpus"):
            open_corpus(str(attacked)).cuts("train")
    with_settings(attacked, "corpus.json", recordings_stay=True)
    assert len(open_corpus(str(attacked)).cuts("train")) == 6


def test_devices_pipes_and_folders_are_no_recordings(attacked, trace):
    import os

    os.mkfifo(attacked / "audio" / "pipe.wav")
    with_settings(attacked, "corpus.json", recordings_stay=True)
    for name in ("/dev/zero", "audio", "audio/pipe.wav"):
        rewritten(attacked / "train.jsonl.gz", lambda cut, name=name: sourced(source=name)(cut, trace))
        with pytest.raises(DataError, match="is no file, but a folder, a pipe or a device"):
            open_corpus(str(attacked)).cuts("train")


def test_a_manifest_that_unpacks_to_the_memory_is_refused(attacked, monkeypatch):
    import gzip

    monkeypatch.setattr("memrix.asr.outside.ALWAYS_FINE", 1 << 16)
    for bomb in (b"\n" * (1 << 22), b"x" * (1 << 22)):
        (attacked / "train.jsonl.gz").write_bytes(gzip.compress(bomb))
        with pytest.raises(DataError, match="which no such file"):
            open_corpus(str(attacked)).cuts("train")


def test_lhotse_would_have_run_it(attacked, trace):
    from lhotse import CutSet

    rewritten(attacked / "train.jsonl.gz", lambda cut: CORPUS_ATTACKS["command"][0](cut, trace))
    cut = next(iter(CutSet.from_file(attacked / "train.jsonl.gz")))
    with contextlib.suppress(Exception):  # there is no audio in what the command says
        cut.load_audio()
    assert trace.was_left


@pytest.mark.parametrize("audio", ["pipe:touch x", "touch x |", "http://example.org/a.wav", "-"])
def test_a_list_of_files_names_files_alone(tmp_path, audio):
    (tmp_path / "list.jsonl").write_text(json.dumps({"audio": audio, "text": "one"}))
    with pytest.raises(DataError, match=r"line 1: its audio .* expected a file"):
        load_corpus(str(tmp_path / "list.jsonl"))


def test_a_corpus_of_plain_files_is_prepared_as_ever(tmp_path):
    assert len(prepare_corpus("mine", write_manifests(tmp_path / "mine"), tmp_path / "out").cuts("train")) == 2
