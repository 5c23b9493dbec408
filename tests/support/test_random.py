import pytest

from memrix import Seeds
from memrix._support.random import derive
from memrix.errors import SettingsError


def test_one_number_seeds_all_three_streams():
    assert Seeds.of(4) == Seeds(chip=4, programming=4, read=4)


def test_derived_seeds_differ_by_path():
    assert len({derive(0, "read", "a"), derive(0, "read", "b"), derive(0, "chip", "a"), derive(1, "read", "a")}) == 4


@pytest.mark.parametrize("seed", [-1, 0.5, None, True])
def test_seeds_are_natural_numbers(seed):
    with pytest.raises(SettingsError, match="'chip'"):
        Seeds(chip=seed)
