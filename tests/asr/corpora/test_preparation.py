import errno
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from memrix.asr.corpora.preparation import Utterance, prepare
from memrix.asr.corpora.prepared import open_corpus
from memrix.errors import DataError

SPLITS = {"a": "train", "b": "dev", "sub/c": "test"}


def constant(value):
    return lambda: np.full(1600, value, np.float32)


def utterances(**changes):
    texts = {"a": "one two", "b": "three", "sub/c": "four"}
    return [Utterance(name, text, "me", changes.get(name, constant(0.25))) for name, text in texts.items()]


def broken():
    raise DataError("it hums")


def test_audio_manifests_and_description_are_written(tmp_path):
    told = []
    prepare("tiny", tmp_path, utterances(), SPLITS, {"source": "here"}, lambda *done: told.append(done))
    corpus = open_corpus(str(tmp_path))
    assert corpus.description["source"] == "here"
    assert told == [(1, 3), (2, 3), (3, 3)]
    (cut,) = corpus.cuts("test")
    assert cut.supervisions[0].text == "four"
    np.testing.assert_allclose(cut.load_audio(), np.full((1, 1600), 0.25), atol=1e-4)


def test_a_prepared_folder_may_be_moved(tmp_path):
    prepare("tiny", tmp_path / "old", utterances(), SPLITS, {})
    (tmp_path / "old").rename(tmp_path / "new")
    (cut,) = open_corpus(str(tmp_path / "new")).cuts("train")
    assert cut.load_audio().shape == (1, 1600)


def test_all_bad_audio_is_listed(tmp_path):
    with pytest.raises(DataError, match=r"2 parts of the corpus tiny.*--skip-bad:\n  a: it hums\n  b: it hums$"):
        prepare("tiny", tmp_path, utterances(a=broken, b=broken), SPLITS, {})
    assert not (tmp_path / "corpus.json").exists()


def test_bad_audio_is_left_out_on_request(tmp_path):
    corpus = prepare("tiny", tmp_path, utterances(b=broken), SPLITS, {}, skip_bad=True)
    assert corpus.splits == ("train", "test")
    assert corpus.description["skipped"] == ["b: it hums"]


def test_empty_transcripts_are_problems(tmp_path):
    with pytest.raises(DataError, match="a: it has no transcript"):
        prepare("tiny", tmp_path, [Utterance("a", " ", "me", constant(0.1))], SPLITS, {})


def test_audio_that_is_there_is_not_read_again(tmp_path):
    with pytest.raises(DataError, match="b: it hums"):
        prepare("tiny", tmp_path, utterances(b=broken), SPLITS, {})
    corpus = prepare("tiny", tmp_path, utterances(a=broken), SPLITS, {})
    assert corpus.splits == ("train", "dev", "test")


def test_a_full_disk_is_no_problem_of_an_utterance(tmp_path, monkeypatch):
    def full(path, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match=r"No space left.*free some space") as caught:
        prepare("tiny", tmp_path, utterances(), SPLITS, {}, skip_bad=True)
    assert "a:" not in str(caught.value)


SCRIPT = """
import sys
from pathlib import Path
from tests.asr.corpora.test_preparation import prepare_many
prepare_many(Path(sys.argv[1]), pause=0.01)
"""


def prepare_many(folder, pause=0.0):
    """Prepare 200 utterances, each after a pause of so many seconds."""

    def samples(number):
        time.sleep(pause)
        return 0.1 * np.random.default_rng(number).standard_normal(800).astype(np.float32)

    names = [f"u{number}" for number in range(200)]
    many = [Utterance(name, f"word {name}", name, lambda i=i: samples(i)) for i, name in enumerate(names)]
    splits = {name: ("train", "dev", "test")[number % 3] for number, name in enumerate(names)}
    prepare("tiny", folder, many, splits, {})


def test_kept_audio_that_was_damaged_is_written_anew(tmp_path):
    prepare("tiny", tmp_path, utterances(), SPLITS, {})
    (tmp_path / "audio" / "a.wav").write_bytes(b"RIFF")
    prepare("tiny", tmp_path, utterances(), SPLITS, {})
    (cut,) = open_corpus(str(tmp_path)).cuts("train")
    np.testing.assert_allclose(cut.load_audio(), np.full((1, 1600), 0.25), atol=1e-4)


def test_a_killed_preparation_goes_on_and_ends_with_the_same_files(tmp_path):
    prepare_many(tmp_path / "whole")
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / "killed")])
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "killed").glob("audio/*.wav"))) < 5:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("audio/*.wav")}
    assert 5 <= len(kept) < 200
    assert not (tmp_path / "killed" / "corpus.json").exists()
    prepare_many(tmp_path / "killed")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for path in (tmp_path / "whole").rglob("*.*"):
        assert (tmp_path / "killed" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()
