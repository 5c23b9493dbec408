"""What is transcribed already is kept: the same call goes on where it stopped, and with the same text."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from memrix.asr.journal import Journal
from memrix.asr.transcribing.run import transcribe_files
from memrix.asr.transcribing.settings import TranscriptionSettings
from memrix.asr.transcribing.transcriber import Transcriber
from memrix.asr.transcribing.transcripts import Segment, WindowsRecord
from memrix.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """Two windows."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(35 * 8000), 8000)
    return path


class InterruptionError(Exception):
    pass


@pytest.mark.parametrize(
    ("chip", "calibrations"),
    [({}, 0), pytest.param({"hardware": "physical", "chip_only": True}, 2, marks=pytest.mark.slow)],
    ids=["float", "chip"],
)
def test_an_interrupted_call_goes_on_with_the_same_text(chip, calibrations, whisper_folder, talk, monkeypatch):
    settings = TranscriptionSettings(str(whisper_folder), **chip, batch_size=1)
    transcribed = []
    segments = Transcriber.segments

    def counted(self, windows):
        if len(transcribed) == calibrations + 1:
            raise InterruptionError
        transcribed.append(windows[0].index)
        return segments(self, windows)

    whole = transcribe_files(settings, [talk], fresh=True)
    monkeypatch.setattr(Transcriber, "segments", counted)
    with pytest.raises(InterruptionError):
        transcribe_files(settings, [talk], fresh=True)
    transcribed.clear()
    monkeypatch.setattr(Transcriber, "segments", segments)
    again = transcribe_files(settings, [talk])
    assert again.rows[0].transcript.segments == whole.rows[0].transcript.segments


def test_what_is_kept_is_not_done_again(whisper_folder, talk, monkeypatch):
    settings = TranscriptionSettings(str(whisper_folder), batch_size=2)
    first = transcribe_files(settings, [talk])
    monkeypatch.setattr(Transcriber, "segments", None)
    assert transcribe_files(settings, [talk]).rows == first.rows
    with pytest.raises(TypeError):
        transcribe_files(settings, [talk], fresh=True)
    with pytest.raises(TypeError):
        transcribe_files(TranscriptionSettings(str(whisper_folder), batch_size=1), [talk])
    os.utime(talk, (0, 0))
    with pytest.raises(TypeError):
        transcribe_files(settings, [talk])


def test_half_a_line_is_dropped_and_a_damaged_one_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, WindowsRecord)
    first = WindowsRecord(0, (Segment(0.0, 1.0, "one"),), 0.5)
    journal.append(first)
    journal.append(WindowsRecord(4, (Segment(1.0, 2.0, "two"),), 0.5))
    path.write_bytes(path.read_bytes()[:-5])
    assert Journal(path, WindowsRecord).batches == {0: first}
    path.write_text(path.read_text().replace("one", "won"))
    with pytest.raises(DataError, match=r"line 1 of the journal .* SHA-256 .*--fresh"):
        Journal(path, WindowsRecord)


SCRIPT = (
    "import sys\n"
    "from memrix.asr.transcribing.run import transcribe_files\n"
    "from memrix.asr.transcribing.settings import TranscriptionSettings\n"
    "transcribe_files(TranscriptionSettings(sys.argv[1], batch_size=1), sys.argv[2:])\n"
)


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_what_it_transcribed(whisper_folder, tmp_path, cache):
    path = tmp_path / "long.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(600 * 8000), 8000)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(whisper_folder), str(path)], cwd=Path.cwd())
    folder = cache / "transcriptions"
    while process.poll() is None and not any(file.stat().st_size > 500 for file in folder.glob("*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [journal] = folder.iterdir()
    done = journal.read_bytes().count(b"\n")
    settings = TranscriptionSettings(str(whisper_folder), batch_size=1)
    resumed = transcribe_files(settings, [path])
    assert 0 < done < len(resumed.rows[0].transcript.segments)
    assert resumed.rows[0].transcript.segments == (
        transcribe_files(settings, [path], fresh=True).rows[0].transcript.segments
    )
