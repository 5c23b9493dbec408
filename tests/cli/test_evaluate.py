import json
import os
import signal
import subprocess
import sys
import time

import pytest

from memrix._support.preset_names import PRESETS
from memrix.asr.seq2seq.model import SequenceToSequence
from memrix.cli.main import main
from memrix.hardware import Hardware
from tests.asr.miniature import spoken_digits, write_tedlium


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEMRIX_CACHE", str(folder))
    return folder


@pytest.fixture
def command(whisper_folder, kept_recordings):
    """Arguments of a small evaluation, with some options changed."""

    def with_options(*flags, **changes):
        options = {
            "model": whisper_folder,
            "corpus": kept_recordings,
            "weight_bits": "4,3",
            "calibration_clips": 2,
            "batch_size": 1,
            "limit": 3,
            **changes,
        }
        pairs = ((f"--{name.replace('_', '-')}", str(value)) for name, value in options.items())
        return ["evaluate", *(word for pair in pairs for word in pair), *flags]

    return with_options


def test_table_json_and_chart_come_out(command, cache, tmp_path, capsys):
    figures, chart = tmp_path / "out" / "result.json", tmp_path / "out" / "chart.png"
    assert main(command(chips=2, limit=1, json=figures, chart=chart)) == 0
    output = capsys.readouterr()
    names = ["float", "quantized, 4 bit", "paper, 4 bit x 2", "quantized, 3 bit", "paper, 3 bit x 2"]
    lines = output.out.splitlines()
    assert [name for name in names if not any(line.startswith(name) for line in lines)] == []
    data = json.loads(figures.read_text())
    assert [row["execution"] for row in data["rows"]] == ["float", *["quantized", "chip", "chip"] * 2]
    assert data["settings"]["hardware"] == ["paper"]
    assert chart.read_bytes().startswith(b"\x89PNG")
    # Progress and file names are no part of the results.
    assert "WER" in output.err
    assert str(figures) in output.err
    assert str(figures) not in output.out


def test_errors_are_written_for_each_execution(command, cache, tmp_path, capsys):
    figures, errors, trn = (tmp_path / name for name in ("result.json", "errors.txt", "words.trn"))
    assert main(command(limit=1, weight_bits=3, json=figures, errors=errors, trn=trn)) == 0
    (transcript,) = json.loads(figures.read_text())["transcripts"]
    edits = transcript["edits"]["float"]
    assert sum(edits.values()) == transcript["errors"]["float"]
    assert sorted(path.name for path in tmp_path.glob("errors.*")) == [
        *("errors.float.txt", "errors.paper-3-bit-chip-0.txt", "errors.quantized-3-bit.txt"),
    ]
    assert f"{edits['substitutions']} substituted" in (tmp_path / "errors.float.txt").read_text()
    assert (tmp_path / "words.reference.trn").read_text().endswith(f"({transcript['id']})\n")
    assert str(tmp_path / "words.float.trn") in capsys.readouterr().err


def test_hardware_may_be_a_file(command, cache, tmp_path):
    Hardware.preset("paper").replace(**{"adc.range_bits": 7}).save(tmp_path / "chip.toml")
    figures = tmp_path / "result.json"
    assert main(command(hardware=tmp_path / "chip.toml", limit=1, weight_bits=3, json=figures)) == 0
    assert json.loads(figures.read_text())["hardware"][str(tmp_path / "chip.toml")]["adc"]["range_bits"] == 7


def test_an_empty_pattern_leaves_no_layer_digital(command, cache, tmp_path):
    figures = tmp_path / "result.json"
    assert main(command("--digital", "", limit=1, weight_bits=3, json=figures)) == 0
    assert json.loads(figures.read_text())["settings"]["digital"] == []


def test_digital_patterns_may_be_repeated(command, cache, tmp_path):
    figures = tmp_path / "result.json"
    patterns = ("--digital", "proj_out", "--digital", "model.encoder.conv*")
    assert main(command(*patterns, limit=1, weight_bits=3, json=figures)) == 0
    assert json.loads(figures.read_text())["settings"]["digital"] == ["proj_out", "model.encoder.conv*"]


def test_bad_audio_is_named(command, recordings, cache, capsys):
    (recordings / "clip3.wav").write_bytes(b"RIFF, but no sound")
    assert main(command(corpus=recordings)) == 2
    output = capsys.readouterr()
    assert "clip3.wav" in output.err
    assert "--skip-bad" in output.err
    assert "Traceback" not in output.err


def test_bad_audio_is_skipped_on_request_and_counted(command, recordings, cache, tmp_path, capsys):
    (recordings / "clip3.wav").write_bytes(b"RIFF, but no sound")
    figures = tmp_path / "result.json"
    assert main(command("--skip-bad", corpus=recordings, limit=1, weight_bits=3, json=figures)) == 0
    output = capsys.readouterr()
    assert "clip3.wav" in output.err
    assert "1 utterances (1 skipped)" in output.out
    assert json.loads(figures.read_text())["corpus"]["skipped"] == 1


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("hardware", "papier", ["papier", ", ".join(PRESETS)]),
        ("hardware", "missing.toml", ["missing.toml", "cannot be read"]),
        ("weight_bits", "8,1", ["weight_bits", "got 1"]),
        ("weight_bits", "4.5", ["weight_bits", "4.5"]),
        ("weight_bits", "four", ["'four'", "numbers separated by commas"]),
        ("weight_bits", "4,4", ["each once"]),
        ("model", "whisper-huge", ["whisper-huge", "whisper-tiny.en"]),
        ("corpus", "asterix", ["asterix", "asterisk"]),
        ("corpus", "missing.jsonl", ["missing.jsonl"]),
        ("limit", "0", ["limit", "from 1 on"]),
        ("limit", "100", ["8 utterances"]),
        ("chips", "0", ["chips", "from 1 on"]),
        ("batch_size", "0", ["batch_size", "from 1 on"]),
        ("threads", "0", ["--threads", "at least 1"]),
        ("seed", "-1", ["seed"]),
        ("digital", "proj_oud", ["proj_oud", "proj_out"]),
        ("chart", "chart.gif", ["chart.gif", ".png"]),
        ("json", ".", ["is a folder"]),
    ],
)
def test_bad_input_is_explained(command, cache, capsys, option, value, said):
    assert main(command(**{option: value})) == 2
    output = capsys.readouterr()
    assert output.out == ""
    # A message may be broken over lines.
    words = " ".join(output.err.split())
    assert [text for text in said if text not in words] == []
    assert "Traceback" not in output.err


def test_an_empty_corpus_is_an_error(command, cache, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(command(corpus=tmp_path / "empty")) == 2
    assert str(tmp_path / "empty") in capsys.readouterr().err
    (tmp_path / "empty.jsonl").write_text("")
    assert main(command(corpus=tmp_path / "empty.jsonl")) == 2
    assert "is empty" in capsys.readouterr().err


def started(arguments, cache, batches):
    """A process that evaluates, once so many batches are in its journal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "memrix", *arguments],
        env={**os.environ, "MEMRIX_CACHE": str(cache)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 120
    while journal_lines(cache) < batches:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def journal_lines(cache):
    return sum(path.read_bytes().count(b"\n") for path in cache.glob("runs/*/*.jsonl"))


def figures_of(path):
    data = json.loads(path.read_text())
    for row in (*data["rows"], *data["summary"]):
        del row["seconds_per_audio_second"]
    return data


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_figures(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "whole"))
    assert main(command(json=tmp_path / "whole.json")) == 0
    process = started(command(), tmp_path / "killed", batches=5)
    process.kill()
    process.communicate()
    kept = journal_lines(tmp_path / "killed")
    assert 5 <= kept < 15
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "killed"))
    capsys.readouterr()
    assert main(command(json=tmp_path / "resumed.json")) == 0
    assert f"{kept} of 15 batches are kept" in capsys.readouterr().err
    assert figures_of(tmp_path / "resumed.json") == figures_of(tmp_path / "whole.json")


def test_an_interrupted_command_says_how_to_go_on_and_does(command, cache, monkeypatch, capsys):
    finished = []

    def interrupted(self, *given, **options):
        if len(finished) == 2:
            raise KeyboardInterrupt
        finished.append(transcribe(self, *given, **options))
        return finished[-1]

    transcribe = SequenceToSequence.transcribe
    with monkeypatch.context() as patch:
        patch.setattr(SequenceToSequence, "transcribe", interrupted)
        assert main(command(limit=2, weight_bits=3)) == 130
    said = capsys.readouterr().err
    assert "the same command resumes where it stopped" in said
    assert "Traceback" not in said
    assert main(command(limit=2, weight_bits=3)) == 0
    assert "2 of 6 batches are kept" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(command, tmp_path):
    # So many chips that it cannot have ended before the signal comes, on a machine that is busy.
    process = started(command(chips=100), tmp_path / "cache", batches=1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command resumes where it stopped" in said
    assert "Traceback" not in said


def test_a_prepared_corpus_is_evaluated_by_its_name(command, cache, tmp_path, capsys):
    talks = write_tedlium(tmp_path, spoken_digits() * 2)
    assert main(["corpus", "prepare", "tedlium2", "--source", str(talks)]) == 0
    figures = tmp_path / "result.json"
    assert main(command(corpus="tedlium2", limit=2, weight_bits=3, json=figures)) == 0
    data = json.loads(figures.read_text())
    assert (data["corpus"]["name"], data["corpus"]["utterances"]) == ("tedlium2", 2)
    assert "split test" in data["corpus"]["source"]
