import copy
import pickle

import pytest
import torch

from memrix import Seeds
from memrix.errors import HardwareError
from memrix.random import RandomStream, derive

CPU = torch.device("cpu")


def test_one_number_seeds_all_three_streams():
    assert Seeds.of(4) == Seeds(chip=4, programming=4, read=4)


def test_derived_seeds_differ_by_path():
    assert len({derive(0, "read", "a"), derive(0, "read", "b"), derive(0, "chip", "a"), derive(1, "read", "a")}) == 4


def test_copy_of_a_stream_goes_on_from_the_same_place():
    stream = RandomStream(3)
    torch.rand(5, generator=stream.on(CPU))
    twin = copy.deepcopy(stream)
    assert torch.equal(torch.rand(5, generator=stream.on(CPU)), torch.rand(5, generator=twin.on(CPU)))


def test_pickled_stream_starts_anew():
    stream = RandomStream(3)
    first = torch.rand(5, generator=stream.on(CPU))
    assert torch.equal(torch.rand(5, generator=pickle.loads(pickle.dumps(stream)).on(CPU)), first)


@pytest.mark.parametrize("seed", [-1, 0.5, None, True])
def test_seeds_are_natural_numbers(seed):
    with pytest.raises(HardwareError, match="'chip'"):
        Seeds(chip=seed)
