"""Recordings of any length are read as windows; those that cannot be are refused with a reason."""

import numpy as np
import pytest
import soundfile

from memrix.asr.transcribing.windows import SILENCE, windows_of
from memrix.errors import DataError

RATE = 16_000


def noise(seconds, level=0.1):
    return level * np.random.default_rng(0).standard_normal(round(seconds * RATE))


@pytest.fixture
def written(tmp_path):
    def write(samples, name="speech.wav", rate=RATE, **options):
        soundfile.write(tmp_path / name, samples, rate, **options)
        return tmp_path / name

    return write


@pytest.mark.parametrize("seconds", [0.01, 1.0, 29.99, 30.0, 30.01, 75.0])
def test_windows_follow_each_other_and_are_all_of_the_recording(seconds, written):
    windows = list(windows_of(written(noise(seconds))))
    assert all(len(window.audio) <= 30 * RATE for window in windows)
    assert [window.first for window in windows] == list(
        np.cumsum([0, *(len(window.audio) for window in windows)])[:-1]
    )
    assert sum(len(window.audio) for window in windows) == round(seconds * RATE)
    assert [window.index for window in windows] == list(range(len(windows)))


def test_a_window_is_cut_in_a_pause(written):
    speech = noise(50.0)
    speech[24 * RATE : round(24.5 * RATE)] *= 0.01
    first, second = windows_of(written(speech))
    assert 24.0 <= first.end <= 24.5
    assert second.start == first.end
    assert second.end == 50.0


def test_only_what_is_needed_is_read(written):
    """The end of this recording is broken, and the beginning is given before that is seen."""
    speech = noise(120.0)
    speech[-10] = np.nan
    windows = windows_of(written(speech, subtype="FLOAT"))
    assert next(windows).index == 0
    with pytest.raises(DataError, match=r"speech\.wav, from 110 s on, holds samples that are not finite"):
        list(windows)


def test_silence_is_told_apart_from_speech_that_is_quiet(written):
    path = written(noise(1.0, SILENCE / 100), subtype="FLOAT")
    with pytest.raises(DataError, match=r"speech\.wav is silent: no sample is above -72 dB of full scale"):
        list(windows_of(path))
    assert len(list(windows_of(written(noise(1.0, 10 * SILENCE))))) == 1
    with pytest.raises(DataError, match="is silent"):
        list(windows_of(written(np.zeros(65 * RATE))))


def test_silence_between_speech_is_a_silent_window(written):
    speech = np.concatenate([noise(10.0), np.zeros(60 * RATE), noise(10.0)])
    windows = list(windows_of(written(speech)))
    assert [window.silent for window in windows] == [False, True, False]


def test_what_is_no_audio_is_refused(tmp_path, written):
    with pytest.raises(DataError, match="no audio file at"):
        list(windows_of(tmp_path / "missing.wav"))
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(DataError, match="cannot be read as audio"):
        list(windows_of(tmp_path / "text.wav"))
    with pytest.raises(DataError, match="holds no samples"):
        list(windows_of(written(np.zeros(0))))
    path = written(noise(1.0), "cut.wav")
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(DataError, match="ends before the length in its header"):
        list(windows_of(path))


def test_any_rate_and_channels(written):
    windows = list(windows_of(written(np.stack([noise(2.0), -noise(2.0) / 2], axis=1), rate=44_100)))
    assert windows[0].end == pytest.approx(2.0 * RATE / 44_100, abs=1e-3)
