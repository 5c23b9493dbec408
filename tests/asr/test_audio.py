import numpy as np
import pytest
import soundfile

from memrix.asr.audio import SAMPLE_RATE, Shape, check_ends, duration_seconds, read_audio
from memrix.errors import DataError


def tone(rate: int, hertz: float = 440.0) -> np.ndarray:
    """One second of a sine at half of full scale."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)


def test_sixteen_kilohertz_mono_is_returned_as_it_is(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(SAMPLE_RATE), SAMPLE_RATE, subtype="FLOAT")
    samples = read_audio(tmp_path / "a.wav")
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, tone(SAMPLE_RATE).astype(np.float32))


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_other_rates_are_resampled_to_the_same_tone(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(rate), rate)
    samples = read_audio(tmp_path / "a.wav")
    assert len(samples) == SAMPLE_RATE
    # The ends are left out: the filter runs in and out there.
    np.testing.assert_allclose(samples[400:-400], tone(SAMPLE_RATE)[400:-400], atol=5e-3)


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([[0.5, 0.25], [-0.5, 0.0]]), SAMPLE_RATE)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav"), np.float32([0.375, -0.25]))


def test_overshoot_of_the_resampling_filter_is_clipped(tmp_path):
    square = np.sign(tone(8_000, 50.0))
    soundfile.write(tmp_path / "a.wav", square, 8_000, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav")).max() == 1.0


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_duration_is_length_over_rate(tmp_path, suffix):
    soundfile.write(tmp_path / f"a.{suffix}", tone(8_000), 8_000)
    assert duration_seconds(tmp_path / f"a.{suffix}") == pytest.approx(1.0)
    assert len(read_audio(tmp_path / f"a.{suffix}")) == pytest.approx(SAMPLE_RATE, abs=2000)


@pytest.mark.parametrize("read", [read_audio, duration_seconds])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(DataError, match=f"no audio file at {tmp_path}/a.wav"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("read", [read_audio, duration_seconds])
def test_a_file_that_is_not_audio_is_named(tmp_path, read):
    (tmp_path / "a.wav").write_text("this is not audio")
    with pytest.raises(DataError, match=r"a\.wav cannot be read as audio \(Format not recogni[sz]ed"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("read", [read_audio, duration_seconds])
def test_a_file_without_samples_is_named(tmp_path, read):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), SAMPLE_RATE)
    with pytest.raises(DataError, match=r"a\.wav holds no samples"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "ogg", "mp3"])
def test_a_file_that_was_cut_off_is_named(tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    soundfile.write(file, tone(SAMPLE_RATE), SAMPLE_RATE)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=f"a.{suffix} (ends before|cannot be read)"):
        read_audio(file)


def test_a_stream_of_unknown_size_is_not_taken_for_cut_off(tmp_path):
    file = tmp_path / "a.wav"
    soundfile.write(file, tone(SAMPLE_RATE), SAMPLE_RATE)
    content = bytearray(file.read_bytes())
    size = content.index(b"data") + 4
    content[size : size + 4] = b"\xff\xff\xff\x7f"
    file.write_bytes(content)
    assert len(read_audio(file)) == SAMPLE_RATE


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, value):
    soundfile.write(tmp_path / "a.wav", np.array([0.0, value]), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=r"a\.wav holds samples that are not finite"):
        read_audio(tmp_path / "a.wav")


def test_samples_on_another_scale_are_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", 32_767 * tone(SAMPLE_RATE), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=r"samples up to 1\.63\de\+04, expected \[-1, 1\]"):
        read_audio(tmp_path / "a.wav")


def test_a_part_of_a_file_is_that_of_the_whole(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.linspace(0, 0.5, 32_000), SAMPLE_RATE)
    part = read_audio(tmp_path / "a.wav", 0.5, 1.0)
    np.testing.assert_array_equal(part, read_audio(tmp_path / "a.wav")[8_000:24_000])
    assert len(read_audio(tmp_path / "a.wav", 1.5)) == 8_000


@pytest.mark.parametrize(("start", "said"), [(1.5, "ends before the length"), (2.5, "holds no samples")])
def test_a_part_beyond_the_file_is_an_error(tmp_path, start, said):
    soundfile.write(tmp_path / "a.wav", np.zeros(32_000), SAMPLE_RATE)
    with pytest.raises(DataError, match=rf"a\.wav, from {start} s on, {said}"):
        read_audio(tmp_path / "a.wav", start, 1.0)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_ends_of_whole_files_are_there(tmp_path, suffix):
    soundfile.write(tmp_path / f"a.{suffix}", np.zeros((16_000, 2)), 16_000)
    assert check_ends(tmp_path / f"a.{suffix}") == Shape(16_000, 16_000, 2)


@pytest.mark.parametrize(("suffix", "kind"), [("wav", None), ("flac", None), ("aiff", None), ("sph", "NIST")])
def test_files_that_were_cut_off_are_found_by_their_ends(tmp_path, suffix, kind):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 16_000), 16_000, format=kind)
    path.write_bytes(path.read_bytes()[:15_000])
    with pytest.raises(DataError, match=rf"a\.{suffix} ends before the length in its header"):
        check_ends(path)
    with pytest.raises(DataError):
        read_audio(path)
