import pytest
import torch
from hypothesis import given, strategies as st

from memrix.asr.features import MEL_BINS, LogMel, frames_of


def tone(hertz, seconds=0.5):
    return torch.sin(2 * torch.pi * hertz * torch.arange(int(16000 * seconds)) / 16000)


def test_frames_lie_inside_the_audio():
    assert frames_of(torch.tensor([0, 399, 400, 559, 560, 16000])).tolist() == [0, 0, 1, 1, 2, 98]


@given(st.integers(0, 5000))
def test_as_many_frames_as_promised(samples):
    features, lengths = LogMel()(torch.randn(1, samples), torch.tensor([samples]))
    assert lengths.item() == frames_of(torch.tensor(samples)).item()
    assert features.shape[1] >= lengths.item()
    assert features.isfinite().all()


def test_loudness_does_not_count():
    audio = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    audio[1] = audio[0] / 64  # exact: a power near 0 would make its logarithm tell of rounding
    features, _ = LogMel()(audio, torch.tensor([8000, 8000]))
    torch.testing.assert_close(features[0], features[1], rtol=0, atol=1e-3)


def test_padding_does_not_count():
    audio = torch.randn(1, 8000)
    padded = torch.cat([audio, torch.randn(1, 3000) * 9], dim=1)
    alone, _ = LogMel()(audio, torch.tensor([8000]))
    beside, lengths = LogMel()(padded, torch.tensor([8000]))
    torch.testing.assert_close(alone[0], beside[0, : int(lengths)])


@pytest.mark.parametrize(("low", "high"), [(200, 400), (400, 1000), (1000, 3000), (3000, 6000)])
def test_higher_tones_are_in_higher_bins(low, high):
    features, _ = LogMel()(torch.stack([tone(low), tone(high)]), torch.tensor([8000, 8000]))
    lower, higher = features[:, 10].argmax(dim=1).tolist()
    assert lower < higher


def test_silence_is_at_the_floor():
    features, _ = LogMel()(torch.zeros(1, 1000), torch.tensor([1000]))
    torch.testing.assert_close(features, torch.full_like(features, 1e-10).log())


def test_energies_follow_their_definition():
    """Pre-emphasis, window, power spectrum and triangles in mel, one frame computed by hand in float64."""
    audio = torch.randn(400, dtype=torch.float64)
    frame = audio / audio.abs().max()
    frame = frame - frame.mean()
    frame = frame - 0.97 * torch.cat([frame[:1], frame[:-1]])
    window = torch.hann_window(400, periodic=False, dtype=torch.float64) ** 0.85
    power = torch.fft.rfft(frame * window, n=512).abs() ** 2
    mel = lambda hertz: 1127 * torch.log1p(torch.as_tensor(hertz, dtype=torch.float64) / 700)  # noqa: E731
    edges = torch.linspace(mel(60.0).item(), mel(7600.0).item(), MEL_BINS + 2, dtype=torch.float64)
    bins = mel(torch.arange(257) * 16000 / 512)
    left, center, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = torch.minimum((bins - left) / (center - left), (right - bins) / (right - center)).clamp(min=0)
    expected = (triangles[:, :256] @ power[:256]).clamp(min=1e-10).log()
    features, _ = LogMel()(audio.float().unsqueeze(0), torch.tensor([400]))
    torch.testing.assert_close(features[0, 0].double(), expected, rtol=0, atol=2e-3)


def test_nothing_to_train_or_keep():
    assert not list(LogMel().parameters())
    assert not LogMel().state_dict()
