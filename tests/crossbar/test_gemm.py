import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from memrix.crossbar import gemm
from memrix.crossbar.gemm import available, multiply

pytestmark = pytest.mark.skipif(not available(), reason="needs a compiler and a processor with fused multiply-adds")


def fused(a, b, c):
    """``a * b + c`` of float32, rounded once, by float64 alone."""
    with np.errstate(all="ignore"):
        product = a.astype(np.float64) * b  # exact: twice 24 bits
        total = product + c
        # What the addition lost, exactly (Knuth); where it lost something, an odd last bit keeps the second rounding
        # from taking it for half a step.
        back = total - product
        lost = (product - (total - back)) + (c - back)
        even = (total.view(np.int64) & 1) == 0
        odd = np.where(lost > 0, np.nextafter(total, np.inf), np.nextafter(total, -np.inf))
        return np.where(np.isfinite(total) & (lost != 0) & even, odd, total).astype(np.float32)


def expected(values, cells):
    values, cells = values.numpy(), cells.numpy()
    total = np.zeros((*values.shape[:2], cells.shape[2]), np.float32)
    for step in range(values.shape[2]):
        total = fused(values[:, :, step, None], cells[:, None, step], total)
    return torch.from_numpy(total)


def product(values, cells):
    out = torch.full((*values.shape[:2], cells.shape[2]), 7.0)
    multiply(values, cells, out)
    return out


def equal(first, second):
    return torch.equal(first.view(torch.int32), second.view(torch.int32))


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rounded(exact):
    """The float32 next to a fraction, of two the even one."""
    near = np.float32(float(exact))
    candidates = (np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf)))
    return min(candidates, key=lambda one: (abs(Fraction(float(one)) - exact), int(one.view(np.int32)) & 1))


def test_the_reference_of_these_tests_rounds_once():
    a, b, c = normal(3, 300).numpy()
    # The sum of the first lies just beside the middle between two numbers, which rounding twice misses.
    a[0], b[0], c[0] = 1 + 2.0**-23, 2.0**-30, 1 + 2.0**-23
    c[1:200] = -a[1:200] * b[1:200]
    exact = [Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)) for x, y, z in zip(a, b, c, strict=True)]
    assert np.array_equal(fused(a, b, c), np.array([rounded(one) for one in exact]))


def test_an_element_is_a_chain_of_fused_multiply_adds():
    values, cells = normal(2, 9, 40), normal(2, 40, 19, seed=1)
    result = product(values, cells)
    for tile, row, column in itertools.product((0, 1), (0, 8), (0, 15, 18)):
        total = Fraction(0)
        for a, b in zip(values[tile, row].tolist(), cells[tile, :, column].tolist(), strict=True):
            total = Fraction(float(rounded(Fraction(a) * Fraction(b) + total)))
        assert result[tile, row, column].item() == float(total)
    assert equal(result, expected(values, cells))


SIZES = st.tuples(st.integers(0, 3), st.integers(0, 120), st.integers(0, 40), st.integers(0, 90))


@settings(max_examples=60, deadline=None)
@given(
    sizes=SIZES, order=st.permutations((0, 1, 2)), gaps=st.tuples(*[st.integers(0, 9)] * 4), seed=st.integers(0, 99)
)
def test_any_sizes_and_strides(sizes, order, gaps, seed):
    tiles, rows, steps, columns = sizes
    shape = [(tiles, rows, steps)[axis] for axis in order]
    padded = normal(*shape[:2], shape[2] + gaps[0], seed=seed)[..., : shape[2]]
    values = padded.permute([order.index(axis) for axis in range(3)])
    cells = normal(tiles, steps + gaps[1], columns + gaps[2], seed=seed + 1)[:, :steps, :columns]
    whole = torch.full((tiles, rows + gaps[1], columns + gaps[3]), 7.0)
    out = whole[:, :rows, :columns]
    multiply(values, cells, out)
    assert equal(out.contiguous(), expected(values, cells))
    out.fill_(7.0)
    assert torch.all(whole == 7.0)  # nothing beside the result was written


WIDE = [(1, 128, 1024), (3, 128, 1024), (8, 128, 1024), (40, 128, 300), (70, 600, 300), (230, 64, 257), (5, 40, 5000)]


@pytest.mark.parametrize(("rows", "steps", "columns"), WIDE)
def test_every_way_through_memory(rows, steps, columns):
    values, cells = normal(1, rows, steps), normal(1, steps, columns, seed=1)
    reference = expected(values, cells)
    assert equal(product(values, cells), reference)
    transposed = values.transpose(1, 2).contiguous().transpose(1, 2)
    assert equal(product(transposed, cells), reference)


def test_no_batch_tile_or_column_range_changes_a_bit():
    values, cells = normal(3, 130, 128), normal(3, 128, 1000, seed=1)
    whole = product(values, cells)
    for size in (1, 2, 3, 7, 64):
        for start in range(0, 130, size * 5):
            assert equal(product(values[:, start : start + size], cells), whole[:, start : start + size])
    for tile in range(3):
        assert equal(product(values[tile : tile + 1], cells[tile : tile + 1]), whole[tile : tile + 1])
    for first, last in ((0, 8), (3, 17), (1, 6), (500, 1000), (999, 1000)):
        assert equal(product(values, cells[:, :, first:last]), whole[:, :, first:last].contiguous())
    order = torch.randperm(130, generator=torch.Generator().manual_seed(2))
    assert equal(product(values[:, order], cells), whole[:, order])


def test_the_same_vector_for_all_rows_may_be_given_once():
    values, cells = normal(2, 1, 50).expand(2, 30, 50), normal(2, 50, 33, seed=1)
    assert equal(product(values, cells), expected(values, cells))


def test_threads_do_not_disturb_each_other():
    jobs = [(normal(2, rows, steps, seed=rows), normal(2, steps, 300)) for rows in (1, 9, 70) for steps in (30, 600)]
    alone = [product(*job) for job in jobs]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda job: product(*job), jobs * 10))
    assert all(equal(one, other) for one, other in zip(together, alone * 10, strict=True))


@pytest.mark.parametrize("rows", [1, 3, 20])
@pytest.mark.parametrize("columns", [3, 12, 70])
def test_infinities_and_nans_stay_in_their_rows_and_columns(rows, columns):
    values, cells = normal(1, rows, 20), normal(1, 20, columns, seed=1)
    values[0, 0, 3], values[0, -1, 5] = torch.inf, torch.nan
    cells[0, 7, 1], cells[0, 3, 2], cells[0, 9, -1] = -torch.inf, 0.0, torch.nan
    result, reference = product(values, cells), expected(values, cells)
    assert torch.equal(result.isnan(), reference.isnan())
    assert equal(result.nan_to_num(nan=1.0), reference.nan_to_num(nan=1.0))
    assert result[0, 0, 2].isnan()  # infinity times zero
    assert not result[0, :-1, 3:-1].isnan().any()


@pytest.mark.parametrize("scale", [1e-22, 1e-38, 1e19])
def test_subnormal_numbers_and_overflow(scale):
    values, cells = normal(1, 7, 30) * scale, normal(1, 30, 20, seed=1) * min(scale, 1e20)
    assert equal(product(values, cells), expected(values, cells))


GUARDED = """
import ctypes, math, mmap
import torch
from memrix.crossbar.gemm import multiply

libc, page, maps = ctypes.CDLL(None), mmap.PAGESIZE, []

def guarded(shape, at_end):
    # Between two pages that nothing may touch, at the end or at the start.
    size = 4 * math.prod(shape)
    inner = -(-size // page) * page
    memory = mmap.mmap(-1, inner + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for edge in (start, start + page + inner):
        assert libc.mprotect(ctypes.c_void_p(edge), ctypes.c_size_t(page), 0) == 0
    maps.append(memory)
    offset = page + (inner - size if at_end else 0)
    return torch.frombuffer(memory, dtype=torch.float32, count=math.prod(shape), offset=offset).view(shape)

for at_end in (False, True):
    for rows in (1, 2, 3, 5, 7, 13, 17, 97):
        for columns in (1, 7, 8, 9, 15, 16, 17, 63, 65, 71, 100, 257, 300):
            for steps in (1, 33):
                values = guarded((1, rows, steps), at_end).fill_(1)
                transposed = guarded((1, steps, rows), at_end).fill_(1).transpose(1, 2)
                cells, out = guarded((1, steps, columns), at_end).fill_(2), guarded((1, rows, columns), at_end)
                for a in (values, transposed):
                    multiply(a, cells, out.zero_())
                    assert (out == 2 * steps).all()
    # Far apart in memory, which is packed: the sizes above are not.
    cells, out = guarded((1, 300, 2100), at_end), guarded((1, 40, 100), at_end)
    multiply(guarded((1, 300, 40), at_end).transpose(1, 2), cells[..., -100:] if at_end else cells[..., :100], out)
print("untouched")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="protects memory by the C library of Linux")
def test_nothing_outside_of_the_matrices_is_touched():
    done = subprocess.run([sys.executable, "-c", GUARDED], capture_output=True, text=True, check=False)
    assert done.stdout == "untouched\n", done.stderr


@pytest.mark.parametrize(
    ("values", "cells", "out"),
    [
        (torch.zeros(1, 2, 9), torch.zeros(1, 8, 16), torch.zeros(1, 2, 16)),
        (torch.zeros(1, 2, 8), torch.zeros(2, 8, 16), torch.zeros(1, 2, 16)),
        (torch.zeros(1, 2, 8), torch.zeros(1, 8, 16), torch.zeros(1, 3, 16)),
        (torch.zeros(1, 2, 8).double(), torch.zeros(1, 8, 16), torch.zeros(1, 2, 16)),
        (torch.zeros(1, 2, 8), torch.zeros(1, 16, 8).transpose(1, 2), torch.zeros(1, 2, 16)),
        (torch.zeros(1, 2, 8), torch.zeros(1, 8, 16), torch.zeros(1, 16, 2).transpose(1, 2)),
        (torch.zeros(1, 2, 8), torch.zeros(1, 8, 16, device="meta"), torch.zeros(1, 2, 16)),
    ],
)
def test_what_does_not_fit_is_refused(values, cells, out):
    with pytest.raises(ValueError, match=r"a product takes float32 tensors on a CPU.*got values"):
        multiply(values, cells, out)


def test_other_compiled_loops_may_call_it():
    numba = pytest.importorskip("numba")
    from memrix.crossbar.gemm_kernels import MEMORY, multiply_matrices

    @numba.njit
    def doubled(a, b, c):
        memory = np.empty(a.shape[1] * MEMORY, np.uint8)
        sizes = (a.shape[0], a.shape[1], b.shape[1])
        right, result = (b.ctypes.data, b.strides[0]), (c.ctypes.data, c.strides[0])
        multiply_matrices((a.ctypes.data, *a.strides), right, result, sizes, memory.ctypes.data)
        c *= 2

    values, cells, out = normal(1, 9, 30), normal(1, 30, 40, seed=1), torch.empty(1, 9, 40)
    doubled(values[0].numpy(), cells[0].numpy(), out[0].numpy())
    assert equal(out, 2 * expected(values, cells))


def test_without_numba_it_is_not_available():
    code = (
        "import sys; sys.modules['numba'] = None; sys.modules['llvmlite'] = None\n"
        "import importlib.util, pathlib\n"
        f"spec = importlib.util.spec_from_file_location('gemm', {gemm.__file__!r})\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "assert not module.available()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
