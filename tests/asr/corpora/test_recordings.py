import numpy as np
import pytest
import soundfile

from memrix.asr.corpora.recordings import kept_recording, window
from memrix.errors import DataError


@pytest.fixture
def ramp(tmp_path):
    """Two seconds, rising from 0 to 0.5."""
    soundfile.write(tmp_path / "ramp.wav", np.linspace(0, 0.5, 32_000), 16_000)
    return kept_recording(tmp_path / "ramp.wav", "ramp")


def test_a_window_is_that_part_of_the_recording(ramp):
    cut = window(ramp, "u", "one", "me", 1.0, 1.5)
    assert (cut.id, cut.duration, cut.supervisions[0].speaker) == ("u", 0.5, "me")
    np.testing.assert_allclose(cut.load_audio()[0], np.linspace(0, 0.5, 32_000)[16_000:24_000], atol=1e-4)


def test_without_times_it_is_the_whole_recording(ramp):
    assert window(ramp, "u", "one", "me").load_audio().shape == (1, 32_000)


def test_a_window_that_ends_a_little_late_is_shortened(ramp):
    assert window(ramp, "u", "one", "me", 1.5, 2.05).load_audio().shape == (1, 8_000)


@pytest.mark.parametrize(("start", "end"), [(1.0, 2.5), (1.0, 1.0), (1.5, 1.0), (-1.0, 1.0), (2.0, 2.05)])
def test_a_window_outside_of_the_recording_is_an_error(ramp, start, end):
    with pytest.raises(DataError, match=rf"lasts from {start:g} to {end:g} s, and its recording ramp from 0 to 2 s"):
        window(ramp, "u", "one", "me", start, end)


def test_other_rates_are_read_at_16_khz(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8_000), 8_000)
    cut = window(kept_recording(tmp_path / "a.wav", "a"), "u", "one", "me", 0.5, 1.0)
    assert (cut.sampling_rate, cut.load_audio().shape) == (16_000, (1, 8_000))


def test_two_channels_are_an_error(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((8_000, 2)), 8_000)
    with pytest.raises(DataError, match=r"a\.wav has 2 channels, expected one"):
        kept_recording(tmp_path / "a.wav", "a")
