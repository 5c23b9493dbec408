import copy
import pickle

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from memrix import Seeds
from memrix._support.random import RandomStream, derive, fill_noise_
from memrix.errors import SettingsError

CPU = torch.device("cpu")


def test_one_number_seeds_all_three_streams():
    assert Seeds.of(4) == Seeds(chip=4, programming=4, read=4)


def test_derived_seeds_differ_by_path():
    assert len({derive(0, "read", "a"), derive(0, "read", "b"), derive(0, "chip", "a"), derive(1, "read", "a")}) == 4


def test_copy_of_a_stream_goes_on_from_the_same_place():
    stream = RandomStream(3)
    torch.rand(5, generator=stream.on(CPU))
    copied = copy.deepcopy(stream)
    assert torch.equal(torch.rand(5, generator=stream.on(CPU)), torch.rand(5, generator=copied.on(CPU)))


def test_pickled_stream_starts_anew():
    stream = RandomStream(3)
    first = torch.rand(5, generator=stream.on(CPU))
    assert torch.equal(torch.rand(5, generator=pickle.loads(pickle.dumps(stream)).on(CPU)), first)


@pytest.mark.parametrize("seed", [-1, 0.5, None, True])
def test_seeds_are_natural_numbers(seed):
    with pytest.raises(SettingsError, match="'chip'"):
        Seeds(chip=seed)


def test_cheap_noise_is_normal_to_one_in_a_hundred_thousand():
    noise = torch.empty(1000, 1001)
    fill_noise_(noise, torch.Generator().manual_seed(0))
    values = noise.double().flatten().numpy()
    assert kstest(values, "norm").pvalue > 0.01
    assert abs(values.mean()) < 4e-3
    assert abs(values.var() - 1) < 6e-3
    assert abs(np.mean(values**4) - 3) < 0.03
    assert np.abs(values).max() < 4.4
    # Neighbors, which come from the same random word, have nothing to do with each other.
    for lag in (1, 2, 3, 4):
        assert abs(np.mean(values[lag:] * values[:-lag])) < 4e-3


@pytest.mark.parametrize("count", [10, 300_001])
def test_cheap_noise_repeats_with_its_stream_and_goes_on(count):
    streams = [torch.Generator().manual_seed(3) for _ in range(2)]
    first, same, next_ = torch.empty(count), torch.empty(count), torch.empty(count)
    fill_noise_(first, streams[0])
    fill_noise_(same, streams[1])
    fill_noise_(next_, streams[1])
    assert torch.equal(first, same)
    assert not torch.equal(first, next_)


def test_cheap_noise_is_the_same_on_any_number_of_threads():
    drawn = []
    threads = torch.get_num_threads()
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            drawn.append(torch.empty(300_001))
            fill_noise_(drawn[-1], torch.Generator().manual_seed(4))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*drawn)
