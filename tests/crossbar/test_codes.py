import pytest
import torch

from memrix import Hardware
from memrix.errors import InputError, MemrixError
from tests.crossbar.test_crossbar import GROUPS, INPUTS, codes, crossbar

NONSENSE = {
    "fractions": torch.full((GROUPS, 1, 2, INPUTS), 0.5),
    "complex": torch.zeros(GROUPS, 1, 2, INPUTS, dtype=torch.complex64),
    "bool": torch.ones(GROUPS, 1, 2, INPUTS, dtype=torch.bool),
    "too large": torch.full((GROUPS, 1, 2, INPUTS), 129),
    "too small": torch.full((GROUPS, 1, 2, INPUTS), -129.0),
    "NaN": torch.full((GROUPS, 1, 2, INPUTS), float("nan")),
    "infinite": torch.full((GROUPS, 1, 2, INPUTS), float("inf")),
}


@pytest.fixture(scope="module")
def array():
    return crossbar(Hardware.preset("physical"))


@pytest.mark.parametrize("given", NONSENSE.values(), ids=NONSENSE.keys())
def test_what_is_no_code_is_refused(array, given):
    before = array.counts.conversions
    for call in (lambda: array(given), lambda: array.readings(given[:, 0])):
        with pytest.raises(InputError, match="give whole numbers from -128 to 128"):
            call()
    assert array.counts.conversions == before


@pytest.mark.parametrize("given", [None, 5, [[1]], torch.zeros(3), codes(2)[0]])
def test_codes_come_in_a_tensor_of_the_right_axes(array, given):
    with pytest.raises(InputError, match="takes DAC codes in a tensor of 4 axes"):
        array(given)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int64, torch.float32, torch.float64], ids=str)
def test_whole_numbers_of_any_real_type_are_codes(dtype):
    quiet = crossbar(Hardware.preset("physical").replace(noise="off"))
    within = codes(3).clamp(-100, 100)
    assert torch.equal(quiet(within.to(dtype)), quiet(within))


@pytest.mark.parametrize("rows", [torch.tensor([-1]), torch.tensor([INPUTS])])
def test_rows_that_are_not_there_are_refused(array, rows):
    with pytest.raises(MemrixError, match="rows"):
        array.read_rows(rows)
