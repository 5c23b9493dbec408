import numba
import numpy as np
import pytest
import torch

from memrix._support.philox_kernels import fill_words, fill_words_at
from memrix._support.streams import Stream, normal_table

HUGE = 1 << 32
STREAM = Stream.of(5, "kernels")
NONE = np.zeros(1, np.int64)


def of_rows(first_row, rows, columns):
    words = np.empty((rows, columns), np.uint16)
    fill_words(words, first_row, *STREAM.keys)
    return words


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 64, 100, 2047, 2048, 2049, 5000])
@pytest.mark.parametrize("first_row", [0, HUGE - 2, 5 * HUGE, (1 << 63) - 6])
def test_rows_of_words_are_those_of_tensors(first_row, columns):
    rows = first_row + torch.arange(5)
    words = torch.from_numpy(of_rows(first_row, 5, columns)).long()
    assert torch.equal(normal_table(rows.device)[words], STREAM.normal_block(rows, columns))
    groups = torch.arange(-(-columns // 8))
    expected = STREAM.words(groups, rows[:, None]).permute(1, 2, 0).flatten(1)[:, :columns]
    assert torch.equal(words, expected)


def test_rows_share_blocks_without_trace():
    whole = of_rows(0, 1000, 10)  # blocks begin and end within rows
    for first, count in ((0, 1), (127, 3), (500, 500)):
        np.testing.assert_array_equal(of_rows(first, count, 10), whole[first : first + count])


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 255, 1000])
@pytest.mark.parametrize("draw", [0, 1, HUGE, 3 * HUGE + 7, (1 << 63) - 1])
def test_words_at_indices_are_those_of_tensors(size, draw):
    index = torch.arange(size) * (HUGE // 3) + 1
    words = np.empty((8, size), np.uint16)
    fill_words_at(words, index.numpy(), np.array([draw]), *STREAM.keys)
    assert torch.equal(torch.from_numpy(words).long(), STREAM.words(index, draw))


def test_loops_are_vectorized():
    """Scalar rounds take four times as long."""
    for kernel, out, arguments in ((fill_words, (1, 8), (0,)), (fill_words_at, (8, 1), (NONE, NONE))):
        afresh = numba.njit(error_model="numpy")(kernel.py_func)  # numba cannot show code that it read from a file
        afresh(np.empty(out, np.uint16), *arguments, *STREAM.keys)
        assembly = "".join(afresh.inspect_asm().values())
        assert "pmuludq" in assembly or "umull" in assembly, kernel
