"""Resampling piece by piece gives the samples that resampling the whole gives."""

import numpy as np
import pytest
import soundfile

from memrix.asr.audio import audio_pieces, read_audio, resampled


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("seconds", [0.013, 0.1, 7.0])
def test_pieces_are_the_recording(rate, seconds, tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal((round(0.7 * rate), 2))
    soundfile.write(path := tmp_path / "noise.wav", noise, rate)
    pieces = np.concatenate(list(audio_pieces(path, seconds)))
    np.testing.assert_allclose(pieces, read_audio(path), rtol=0, atol=1e-7)


@pytest.mark.parametrize("samples", [0, 1, 5])
def test_a_recording_shorter_than_the_filter(samples):
    given = resampled([np.ones(samples, dtype=np.float32)], 44_100)
    assert sum(map(len, given)) == -(-samples * 160 // 441)
