"""A weight that changed in any way has another fingerprint; one that only moved has the same."""

import pytest
import torch

from memrix.crossbar.fingerprint import Fingerprint, _mixed_sum, _mixed_sum_of_tensor


def weight(shape=(512, 512), dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


def column_negated(values):
    values[:, 1] *= -1


def two_signs(values):
    values[0, 1] *= -1
    values[5, 3] *= -1


def columns_swapped(values):
    values[:, [4, 5, 6, 7]] = values[:, [6, 7, 4, 5]]


def two_values_swapped(values):
    values[0, 2], values[1, 2] = values[1, 2].item(), values[0, 2].item()


def all_negated(values):
    values.neg_()


def rows_rolled(values):
    values.copy_(values.roll(1, 0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(512, 512), (7, 9)])
@pytest.mark.parametrize(
    "edit", [column_negated, two_signs, columns_swapped, two_values_swapped, all_negated, rows_rolled]
)
def test_every_edit_is_seen(edit, shape, dtype):
    values = weight(shape, dtype)
    before = Fingerprint.of(values)
    edit(values)
    assert Fingerprint.of(values) != before


@pytest.mark.parametrize("rows", [2, 4, 8, 64])
def test_signs_that_flip_in_a_column_never_cancel(rows):
    values = weight((rows, 64))
    before = Fingerprint.of(values)
    for pattern in torch.randint(0, 2, (500, rows), generator=torch.Generator().manual_seed(1)):
        changed = values.clone()
        changed[:, 1] *= 1 - 2 * pattern
        assert (Fingerprint.of(changed) == before) == (not pattern.any())


def test_a_weight_that_lies_elsewhere_is_the_same():
    values = weight((8, 15))
    behind_one = torch.cat([torch.zeros(1), values.view(-1)])[1:].view(8, 15)
    assert behind_one.data_ptr() % 8
    assert Fingerprint.of(behind_one) == Fingerprint.of(values) == Fingerprint.of(values.t().contiguous().t())


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.uint8])
def test_other_devices_find_what_the_loop_finds(dtype):
    words = torch.randint(0, 256, (1001,), generator=torch.Generator().manual_seed(0)).to(dtype)
    if dtype.is_signed:
        words -= 128
    assert int(_mixed_sum(words.numpy())) == int(_mixed_sum_of_tensor(words))


@pytest.mark.parametrize("changed", [slice(None), slice(0, None, 2), slice(1, None, 2)])
def test_signs_that_flip_in_many_places_do_not_cancel(changed):
    generator = torch.Generator().manual_seed(0)
    for _ in range(500):
        weight = torch.randn(2, 4, generator=generator)
        flipped = weight.clone()
        flipped[:, changed] *= -1
        assert Fingerprint.of(flipped) != Fingerprint.of(weight)
