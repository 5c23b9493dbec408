import pytest
import torch
from hypothesis import given, strategies as st
from pydantic import ValidationError

from memrix.asr.augmentation import Augmentation, change_speed


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def runs(positions):
    """Lengths of the runs of True."""
    edges = torch.nn.functional.pad(positions.int(), (1, 1)).diff()
    return ((edges == -1).nonzero() - (edges == 1).nonzero()).flatten().tolist()


@given(st.integers(0, 800), st.integers(0, 1 << 30))
def test_masks_keep_to_their_bounds(frames, seed):
    augmentation = Augmentation()
    masked = augmentation.mask(frames, 80, stream(seed))
    assert masked.shape == (frames, 80)
    whole_rows, whole_columns = masked.all(dim=1), masked.all(dim=0) if frames else torch.zeros(80, dtype=torch.bool)
    assert whole_rows.sum() <= 20 * max(frames // 25, 2)
    if frames and not whole_rows.all():
        assert whole_columns.sum() <= 5 * 8
        assert torch.equal(masked, whole_rows.unsqueeze(1) | whole_columns.unsqueeze(0))


def test_masks_have_the_numbers_and_widths_of_the_paper():
    augmentation = Augmentation(time_mask_frames=1, frequency_masks_at_least=0, frequency_masks_at_most=0)
    counts = [int(augmentation.mask(10_000, 80, stream(seed)).any(dim=1).sum()) for seed in range(300)]
    assert max(counts) <= 400
    assert sum(counts) / len(counts) == pytest.approx((2 + 400) / 2 / 2, rel=0.1)  # half of them are of width 0
    single = Augmentation(
        frames_per_time_mask=10_000, time_masks_at_least=1, frequency_masks_at_most=0, frequency_masks_at_least=0
    )
    widths = [sum(runs(single.mask(5_000, 80, stream(seed)).any(dim=1))) for seed in range(500)]
    assert min(widths) == 0
    assert max(widths) == 20
    assert sum(widths) / len(widths) == pytest.approx(10, rel=0.1)


def test_the_same_stream_draws_the_same():
    assert torch.equal(Augmentation().mask(300, 80, stream(1)), Augmentation().mask(300, 80, stream(1)))
    assert not torch.equal(Augmentation().mask(300, 80, stream(1)), Augmentation().mask(300, 80, stream(2)))


def test_all_speeds_are_drawn():
    drawn = {Augmentation().speed(stream(seed)) for seed in range(50)}
    assert drawn == {0.9, 1.0, 1.1}


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.1])
def test_speed_changes_length_and_pitch(speed):
    audio = torch.sin(2 * torch.pi * 1000 * torch.arange(16000) / 16000)
    faster = change_speed(audio, speed)
    assert len(faster) == pytest.approx(16000 / speed, abs=2)
    spectrum = torch.fft.rfft(faster).abs()
    assert spectrum.argmax().item() * 16000 / len(faster) == pytest.approx(1000 * speed, abs=3)


def test_unknown_settings_are_refused():
    with pytest.raises(ValidationError, match="speds"):
        Augmentation(speds=(1.0,))
