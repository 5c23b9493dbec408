import json
import os
import subprocess
import sys
import time

import pytest

from memrix.asr import pronunciation
from memrix.asr.corpora.prepared import corpora_folder
from memrix.cli.main import main
from memrix.errors import AssetError
from tests.asr.miniature import spoken_digits, write_librispeech, write_manifests, write_queen, write_tedlium

CMU = {word: (("AH", "T"),) for word in ["one", "two", "three", "five", "hello", "number"]}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pronunciation, "cmu_dictionary", lambda: CMU)
    return tmp_path / "cache"


@pytest.fixture
def talks(tmp_path):
    return write_tedlium(tmp_path, spoken_digits(), {"one": "W AH N"})


def rows(output):
    """Cells of the table by split."""
    return {
        line.split()[0]: line.split()[1:] for line in output.splitlines() if line.startswith(("train", "dev", "test"))
    }


def test_prepare_writes_the_corpus_and_says_what_is_in_it(talks, capsys):
    assert main(["corpus", "prepare", "tedlium2", "--source", str(talks)]) == 0
    output = capsys.readouterr()
    assert rows(output.out) == {
        "train": ["0.00", "4", "10", "5", "2"],
        "dev": ["0.00", "2", "5", "5", "1"],
        "test": ["0.00", "2", "5", "5", "1"],
    }
    assert f"tedlium2 is prepared: {corpora_folder() / 'tedlium2'}" in output.err
    assert "left out: 8 (not to be scored)" in output.err


def test_a_second_call_is_instant_and_says_so(talks, capsys, monkeypatch):
    assert main(["corpus", "prepare", "tedlium2", "--source", str(talks)]) == 0
    first = capsys.readouterr()
    monkeypatch.setattr("memrix.asr.corpora.catalog.prepare_corpus", None)
    assert main(["corpus", "prepare", "tedlium2"]) == 0
    second = capsys.readouterr()
    assert second.out == first.out
    assert "tedlium2 is already prepared" in second.err


def test_the_output_may_be_elsewhere(talks, tmp_path, capsys):
    place = str(tmp_path / "elsewhere")
    assert main(["corpus", "prepare", "tedlium2", "--source", str(talks), "--output", place]) == 0
    assert main(["corpus", "show", place]) == 0
    assert place in capsys.readouterr().err


def test_bad_parts_are_listed_then_skipped_on_request(tmp_path, capsys):
    root = write_librispeech(tmp_path, {"dev-clean": {"1-2-0000": "ONE", "1-2-0001": "TWO"}})
    (root / "dev-clean/1/2/1-2-0001.flac").write_bytes(b"no sound")
    arguments = ["corpus", "prepare", "librispeech", "--source", str(root)]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "1-2-0001: " in said
    assert "--skip-bad" in said
    assert main([*arguments, "--skip-bad"]) == 0
    output = capsys.readouterr()
    assert "skipped: 1-2-0001: " in output.err
    assert rows(output.out) == {"dev": ["0.00", "1", "1", "1", "1"]}


def test_manifests_of_the_user_are_prepared_under_a_name_of_their_own(tmp_path, capsys):
    assert main(["corpus", "prepare", "mine", "--source", str(write_manifests(tmp_path / "source"))]) == 0
    assert list(rows(capsys.readouterr().out)) == ["train", "dev", "test"]


def test_show_holds_words_against_train_and_the_dictionaries(talks, tmp_path, capsys):
    assert main(["corpus", "prepare", "tedlium2", "--source", str(talks)]) == 0
    capsys.readouterr()
    assert main(["corpus", "show", "tedlium2", "--json", str(tmp_path / "out" / "figures.json")]) == 0
    table = rows(capsys.readouterr().out)
    # Of one two three four five, four is in no dictionary.
    assert {split: row[-3:] for split, row in table.items()} == {
        "train": ["-", "-", "20.00"],
        "dev": ["0.00", "100.00", "20.00"],
        "test": ["0.00", "100.00", "20.00"],
    }
    data = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert data["statistics"]["dev"]["unpronounced_words"] == pytest.approx(0.2)
    assert (data["name"], data["source"]) == ("tedlium2", str(talks))


def test_show_does_without_a_dictionary_that_cannot_be_fetched_and_says_so(talks, capsys, monkeypatch):
    def unreachable():
        raise AssetError("no network")

    monkeypatch.setattr(pronunciation, "cmu_dictionary", unreachable)
    assert main(["corpus", "prepare", "tedlium2", "--source", str(talks)]) == 0
    capsys.readouterr()
    assert main(["corpus", "show", "tedlium2"]) == 0
    output = capsys.readouterr()
    assert "words without a pronunciation are not counted: no network" in output.err
    assert rows(output.out)["dev"][-3:] == ["0.00", "100.00", "-"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prepare", "tedlium2"], ["is not fetched", "--source"]),
        (["prepare", "librispech", "--source", "."], ["librispech", "did you mean 'librispeech'?"]),
        (["prepare", "tedlium2", "--source", "nowhere"], ["no TED-LIUM 2", "there is no folder nowhere"]),
        (["show", "nothing"], ["no prepared corpus 'nothing'", "memrix corpus prepare nothing"]),
        (["show", "nothing", "--json", "figures.txt"], ["figures.txt"]),
    ],
)
def test_bad_input_is_explained(arguments, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["corpus", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert [text for text in said if text not in output.err] == []
    assert "Traceback" not in output.err


SCRIPT = """
import sys, time
import memrix.asr.corpora.queen as queen
from memrix.cli.main import main

pace, arguments = float(sys.argv[1]), sys.argv[2:]
names = [f"02{number:04X}J1" for number in range(0x900, 0x960)]
words = "here is line zero one two three four five six seven eight nine"
queen.cmu_dictionary = lambda: {word: (("AH",),) for word in words.split()}
queen.fixed_splits = lambda corpus: {name: ("train", "dev", "test")[number % 3] for number, name in enumerate(names)}
read = queen.read_audio_stream

def slow(stream, name):
    time.sleep(pace)
    return read(stream, name)

queen.read_audio_stream = slow
sys.exit(main(arguments))
"""


@pytest.mark.slow
def test_a_killed_preparation_goes_on_with_the_same_command(tmp_path):
    source = write_queen(tmp_path / "game", clips=0x60)

    def started(output, pace):
        arguments = ["corpus", "prepare", "queen", "--source", str(source), "--output", str(output)]
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(pace), *arguments],
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert started(whole, 0).wait(60) == 0
    process = started(killed, 0.01)
    deadline = time.monotonic() + 60
    while len(list(killed.glob("audio/*.wav"))) < 10:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in killed.glob("audio/*.wav")}
    assert 10 <= len(kept) < 0x60
    process = started(killed, 0)
    output, said = process.communicate(timeout=60)
    assert (process.returncode, "queen is prepared" in said) == (0, True)
    assert rows(output)["train"][1] == "32"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for name in ("train.jsonl.gz", "dev.jsonl.gz", "test.jsonl.gz", "corpus.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
