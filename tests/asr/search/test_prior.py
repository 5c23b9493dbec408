import pytest
import torch

from memrix.asr.search.prior import label_prior
from memrix.errors import DataError, InputError


def test_the_prior_is_the_mean_over_valid_frames_of_all_batches():
    first = torch.tensor([[[0.5, 0.5], [0.1, 0.9]], [[0.2, 0.8], [0.7, 0.3]]]).log()
    second = torch.tensor([[[0.9, 0.1]]]).log()
    prior = label_prior([(first, torch.tensor([2, 1])), (second, torch.tensor([1]))])
    assert prior.dtype == torch.float64
    # (0.5 + 0.1 + 0.2 + 0.9) / 4
    torch.testing.assert_close(prior, torch.tensor([0.425, 0.575], dtype=torch.float64), rtol=0, atol=1e-7)


def test_how_frames_are_batched_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(6, 5, 7, generator=generator).log_softmax(dim=2)
    lengths = torch.tensor([5, 1, 3, 0, 2, 4])
    whole = label_prior([(frames, lengths)])
    parts = label_prior((frames[i : i + 1], lengths[i : i + 1]) for i in range(6))
    torch.testing.assert_close(whole, parts, rtol=1e-12, atol=0)
    assert float(whole.sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("unheard", [-200.0, -1000.0, -torch.inf])
def test_the_prior_of_a_label_that_is_never_heard_has_a_logarithm(unheard):
    prior = label_prior([(torch.tensor([[[0.0, unheard]]]), torch.tensor([1]))])
    assert prior.log().isfinite().all()
    assert float(prior.sum()) == 1.0


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "at least one frame"),
        ([(torch.zeros(1, 2, 1), torch.tensor([0]))], "at least one frame"),
        ([(torch.zeros(2, 1), torch.tensor([1]))], r"got shapes \[2, 1\] and \[1\]"),
        ([(torch.zeros(1, 2, 3), torch.tensor([2]))], "miss it by up to 2"),
        ([(torch.zeros(1, 1, 1), torch.ones(1)), (torch.full((1, 1, 2), 0.5).log(), torch.ones(1))], "of one model"),
    ],
)
def test_what_is_no_distribution_is_refused(batches, message):
    with pytest.raises(DataError, match=message):
        label_prior(batches)


def test_values_that_are_not_numbers_are_refused():
    with pytest.raises(InputError, match="not finite"):
        label_prior([(torch.full((1, 1, 2), torch.nan), torch.tensor([1]))])
