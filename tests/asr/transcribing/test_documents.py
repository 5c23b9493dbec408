"""Transcripts as text, JSON, and as sclite reads them."""

import json

import numpy as np
import pytest
import soundfile

from memrix.asr.sclite import paths_by_execution
from memrix.asr.transcribing.documents import TIMES, as_ctm, as_text, as_trn, placed_words
from memrix.asr.transcribing.run import Row
from memrix.asr.transcribing.transcripts import Segment, Transcript
from memrix.cli.main import main


def rows_of(file, execution="float", hardware=None, bits=None):
    segments = (Segment(0.0, 4.0, "tea for two"), Segment(4.0, 10.0, ""), Segment(10.0, 70.0, "(two) teas"))
    return Row(execution, hardware, bits, None, Transcript(file, segments, 1.5))


def test_text_of_one_execution_is_what_is_said():
    assert as_text([rows_of("a.wav")], named=False) == "tea for two\n(two) teas\n"
    assert as_text([rows_of("a.wav")], named=True) == "a.wav (1:10.0)\ntea for two\n(two) teas\n"


def test_text_of_two_executions_is_side_by_side():
    text = as_text([rows_of("a.wav"), rows_of("a.wav", "chip", "physical", 3)], named=False)
    assert text.splitlines() == [
        "a.wav (1:10.0)",
        "[0:00.0 - 0:04.0]",
        "  float            tea for two",
        "  physical, 3 bit  tea for two",
        "[0:04.0 - 0:10.0]",
        "  float",
        "  physical, 3 bit",
        "[0:10.0 - 1:10.0]",
        "  float            (two) teas",
        "  physical, 3 bit  (two) teas",
    ]


def test_lines_of_recordings():
    assert as_trn([rows_of("x/a b.wav"), rows_of("y/c.wav")]) == (
        "tea for two two teas (a_b)\ntea for two two teas (c)\n"
    )
    assert as_trn([rows_of("x/a.wav"), rows_of("y/a.wav")]) == (
        "tea for two two teas (x/a.wav)\ntea for two two teas (y/a.wav)\n"
    )


def test_lines_of_words():
    head, *lines = as_ctm([rows_of("a.wav")]).splitlines()
    assert head == f";; times: {TIMES}"
    assert lines[:3] == ["a 1 0.00 1.09 tea", "a 1 1.45 1.09 for", "a 1 2.91 1.09 two"]
    assert lines[3:] == ["a 1 10.00 30.00 (two)", "a 1 46.00 24.00 teas"]


def test_words_fill_their_window():
    placed = list(placed_words(Segment(2.0, 12.0, "a bb c")))
    assert placed[0][1] == 2.0
    assert placed[-1][1] + placed[-1][2] == pytest.approx(12.0)
    assert list(placed_words(Segment(0.0, 1.0, ""))) == []


def test_executions_have_files_of_their_own(tmp_path):
    assert paths_by_execution(tmp_path / "a.trn", ["float"]) == {"float": tmp_path / "a.trn"}
    assert paths_by_execution(tmp_path / "a.trn", ["float", "chip"]) == {
        "float": tmp_path / "a.float.trn",
        "chip": tmp_path / "a.chip.trn",
    }


@pytest.fixture
def recording(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write(tmp_path / "talk.wav", noise, 16_000)
    return tmp_path / "talk.wav"


def test_the_command_prints_text_and_writes_files(whisper_folder, recording, tmp_path, capsys):
    places = {ending: tmp_path / f"out.{ending}" for ending in ("json", "trn", "ctm")}
    options = [part for ending, path in places.items() for part in (f"--{ending}", str(path))]
    assert main(["transcribe", str(recording), "--model", str(whisper_folder), *options]) == 0
    output = capsys.readouterr()
    said = output.out.strip()
    assert said
    assert "float: 1.0 s of audio in" in output.err
    assert places["trn"].read_text() == f"{said} (talk)\n"
    assert len(places["ctm"].read_text().splitlines()) == 1 + len(said.split())
    result = json.loads(places["json"].read_text())
    row = result["rows"][0]
    assert (row["execution"], row["hardware"], row["weight_bits"], row["chip"]) == ("float", None, None, None)
    assert row["text"] == said
    assert row["segments"] == [{"start": 0.0, "end": 1.0, "text": said}]
    assert result["settings"]["model"] == str(whisper_folder)
    assert set(result["versions"]) == {"memrix", "torch", "transformers", "synaptogen", "python"}
    assert result["times"] == TIMES


def test_the_command_goes_on_after_a_silent_file(whisper_folder, recording, tmp_path, capsys):
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 16_000)
    files = [str(tmp_path / "silent.wav"), str(recording)]
    assert main(["transcribe", *files, "--model", str(whisper_folder)]) == 2
    output = capsys.readouterr()
    assert output.out.startswith(f"{recording} (0:01.0)\n")
    assert "silent.wav is silent" in output.err
