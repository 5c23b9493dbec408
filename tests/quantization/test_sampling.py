import pytest
import torch
from torch import Tensor

from memrix.quantization.sampling import VectorSampler


def numbered(count: int, first: int = 0) -> Tensor:
    """Vectors ``[2 groups, count, 1]`` that hold their number, negative in the second group."""
    numbers = torch.arange(first, first + count, dtype=torch.float32)
    return torch.stack([numbers, -numbers])[..., None]


def sampled(count: int, seed: int, batches: list[Tensor]) -> Tensor:
    sampler = VectorSampler(count, seed)
    for batch in batches:
        sampler.observe(batch)
    return sampler.vectors()


def test_every_vector_is_kept_with_the_same_probability():
    count, vectors, trials = 16, 50, 2_000
    batches = list(numbered(vectors).split([1, 30, 4, 15], dim=1))
    kept = torch.zeros(vectors)
    for seed in range(trials):
        kept[sampled(count, seed, batches)[0, :, 0].long()] += 1
    share = count / vectors
    deviation = (share * (1 - share) / trials) ** 0.5
    # Of 50 normal numbers one in 10,000 draws has one beyond 5 standard deviations (0.052).
    assert kept.sum() == count * trials
    assert torch.all((kept / trials - share).abs() < 5 * deviation)


def test_pairs_are_kept_independently_of_their_batch():
    """Neighbors in a batch are no more likely to be kept together than vectors of different batches."""
    count, vectors, trials = 10, 40, 3_000
    batches = list(numbered(vectors).split(10, dim=1))
    together = torch.zeros(vectors, vectors)
    for seed in range(trials):
        kept = torch.zeros(vectors)
        kept[sampled(count, seed, batches)[0, :, 0].long()] = 1
        together += torch.outer(kept, kept)
    expected = count * (count - 1) / (vectors * (vectors - 1))
    deviation = (expected * (1 - expected) / trials) ** 0.5
    pairs = together[torch.triu(torch.ones_like(together), 1) > 0] / trials
    assert torch.all((pairs - expected).abs() < 5.5 * deviation)


def test_a_vector_is_kept_once_with_all_of_its_groups():
    sample = sampled(16, 3, [numbered(100), numbered(100, first=100)])
    assert sample.shape == (2, 16, 1)
    assert torch.equal(sample[0], -sample[1])
    assert len(sample[0].unique()) == 16


def test_same_seed_is_the_same_sample():
    batches = [numbered(100), numbered(30, first=100)]
    assert torch.equal(sampled(16, 3, batches), sampled(16, 3, batches))
    assert not torch.equal(sampled(16, 3, batches), sampled(16, 4, batches))


def test_fewer_vectors_than_count_are_all_kept():
    sample = sampled(16, 0, [numbered(4), numbered(0), numbered(3, first=4)])
    assert sorted(sample[0, :, 0].tolist()) == [0, 1, 2, 3, 4, 5, 6]


def test_a_sample_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no vector was observed"):
        VectorSampler(4, 0).vectors()
