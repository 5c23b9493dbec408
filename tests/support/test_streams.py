import hashlib
import pickle
import subprocess
import sys

import pytest
import torch
from scipy import stats

from memrix._support.streams import STREAM_VERSION, Stream, normal_table, philox

HUGE = 1 << 32
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_has_the_known_answers_of_its_authors(counter, key, expected):
    def numbers(text):
        return tuple(torch.tensor(int(word, 16)) for word in text.split())

    assert philox(numbers(counter), numbers(key)) == numbers(expected)
    low, high = (int(word) for word in numbers(key))
    assert philox(numbers(counter), (low, high)) == numbers(expected)


def test_first_draws_are_those_of_version_2():
    assert STREAM_VERSION == 2
    stream = Stream.of(7, "encoder.0", "chip")
    assert stream.key == 9970888120727997440
    assert stream.words(torch.tensor([0, HUGE]), HUGE + 1).T.tolist() == [
        [4047, 24372, 7726, 29356, 48220, 10416, 35241, 4110],
        [51365, 28075, 60360, 16115, 31667, 34995, 14216, 39826],
    ]
    numbers = [-0.9446678161621094, 0.020713044330477715, -0.31918588280677795, 1.7203449010849, 0.7740792632102966]
    assert stream.normal_block(torch.tensor([3]), 9)[0, :5].tolist() == numbers
    table = hashlib.sha256(normal_table(CPU).numpy().tobytes()).hexdigest()
    assert table == "4b37ec47e49921467096fc20d264c97e0383a8ee9a0dcb6be8bf7a953cc3a5d0"


def test_words_are_the_halves_of_what_philox_gives():
    stream = Stream.of(1, "halves")
    counter = (torch.tensor(5), torch.tensor(2), torch.tensor(9), torch.tensor(4))
    outputs = philox(counter, stream.keys)
    words = stream.words(torch.tensor(5 + 2 * HUGE), 9 + 4 * HUGE)
    assert words.tolist() == [half for output in outputs for half in (int(output) & 0xFFFF, int(output) >> 16)]


def test_a_row_is_a_function_of_its_number_and_column_alone():
    stream = Stream.of(2, "read")
    rows = torch.arange(HUGE - 20, HUGE + 20)
    whole = stream.normal_block(rows, 37)
    assert torch.equal(torch.cat([stream.normal_block(part, 37) for part in rows.split(7)]), whole)
    assert torch.equal(stream.normal_block(rows.flip(0), 21), whole.flip(0)[:, :21])
    assert torch.equal(stream.normal_block(rows, 8), stream.normals(torch.zeros_like(rows), rows).T)


def test_a_draw_of_many_indices_is_that_of_each():
    stream = Stream.of(2, "chip")
    index = torch.arange(60).view(3, 4, 5) * (HUGE // 7)
    whole = stream.normals(index, 4, 3)
    assert whole.shape == (3, 3, 4, 5)
    assert torch.equal(whole[:, 1, 2, 3], stream.normals(index[1, 2, 3], 4)[:3])
    assert torch.equal(whole, stream.normals(index, torch.tensor(4), 3))


@pytest.mark.parametrize("count", [0, 9])
def test_a_draw_has_eight_numbers(count):
    with pytest.raises(ValueError, match=f"1 to 8 numbers, got count={count}"):
        Stream(0).normals(torch.arange(3), count=count)


@pytest.mark.parametrize("key", [-1, 1 << 64])
def test_a_key_has_64_bits(key):
    with pytest.raises(ValueError, match="64 bits"):
        Stream(key)


def test_streams_are_told_apart_by_seed_and_by_name():
    names = [(seed, *path) for seed in (0, 1, 11) for path in ((), ("a",), ("b",), ("a", "b"), ("ab",), ("b", "a"))]
    assert len({Stream.of(*name) for name in names}) == len(names)
    stream = Stream.of(3, "a")
    assert pickle.loads(pickle.dumps(stream)) == stream == Stream.of(3, "a") == Stream(stream.key)


def test_normal_numbers_are_the_middles_of_equally_likely_intervals():
    table = normal_table(CPU)
    assert table.dtype == torch.float32
    assert abs(table.double().square().mean() - 1) < 1e-8
    assert torch.equal(table, -table.flip(0))
    ordered = table.sort().values.double()
    middles = (torch.arange(1 << 16) + 0.5) / (1 << 16)
    assert (torch.special.ndtr(ordered) - middles).abs().max() < 1e-5
    assert 4.32 < ordered[-1] < 4.33


def test_the_table_of_another_device_has_the_same_shape():
    assert normal_table(torch.device("meta")).shape == (1 << 16,)
    assert Stream(0).normal_block(torch.arange(4, device="meta"), 9).shape == (4, 9)
    if torch.cuda.is_available():
        assert torch.equal(normal_table(torch.device("cuda", 0)).cpu(), normal_table(CPU))
        rows = torch.arange(HUGE - 5, HUGE + 5)
        assert torch.equal(Stream(5).normal_block(rows.cuda(), 99).cpu(), Stream(5).normal_block(rows, 99))


# Bounds of the tests below: five standard deviations of the statistic, or probabilities of 1e-6, at a fixed seed.


def test_words_are_uniform():
    words = Stream.of(0, "uniform").words(torch.arange(100_000), 3)
    for each in words:
        assert stats.chisquare(each.bincount(minlength=1 << 16).view(256, 256).sum(0)).pvalue > 1e-6  # low bytes
        assert stats.chisquare(each.bincount(minlength=1 << 16).view(256, 256).sum(1)).pvalue > 1e-6  # high bytes
    assert stats.chisquare(words.flatten().bincount(minlength=1 << 16)).pvalue > 1e-6


def test_numbers_are_standard_normal():
    numbers = Stream.of(0, "normal").normal_block(torch.arange(1000), 1000).double().flatten()
    count = numbers.numel()
    assert abs(numbers.mean()) < 5 / count**0.5
    assert abs(numbers.var() - 1) < 5 * (2 / count) ** 0.5
    assert abs(numbers.pow(3).mean()) < 5 * (15 / count) ** 0.5
    assert abs(numbers.pow(4).mean() - 3) < 5 * (96 / count) ** 0.5
    assert stats.kstest(numbers.numpy(), "norm").pvalue > 1e-6


def test_neighbors_are_independent():
    stream, other = Stream(1234), Stream(1235)
    block = stream.normal_block(torch.arange(1000), 1000).double()
    pairs = {
        "columns": (block[:, 1:], block[:, :-1]),
        "counters": (block[:, 8:], block[:, :-8]),
        "rows": (block[1:], block[:-1]),
        "high rows": (block, stream.normal_block(torch.arange(1000) + HUGE, 1000).double()),
        "keys": (block, other.normal_block(torch.arange(1000), 1000).double()),
        "high keys": (block, Stream(1234 + HUGE).normal_block(torch.arange(1000), 1000).double()),
    }
    for name, (one, another) in pairs.items():
        correlation = (one * another).mean()
        assert abs(correlation) < 5 / one.numel() ** 0.5, name
        of_squares = ((one.square() - 1) * (another.square() - 1)).mean() / 2
        assert abs(of_squares) < 5 / one.numel() ** 0.5, name


def test_any_number_of_threads_gives_the_same_numbers():
    rows, threads = torch.arange(500), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = Stream(8).normal_block(rows, 300)
        torch.set_num_threads(4)
        four = Stream(8).normal_block(rows, 300)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, four)


def everything(stream, rows, draw):
    return stream.normal_block(rows, 19), stream.words(rows, draw), stream.normals(rows, draw, 3)


def graph_equals_eager(backend, keys):
    torch._dynamo.reset()
    compiled = torch.compile(everything, backend=backend, fullgraph=True)
    rows = torch.arange(HUGE - 3, HUGE + 14)
    for key, draw in zip(keys, (0, 1, HUGE + 5), strict=False):
        for one, another in zip(compiled(Stream(key), rows, draw), everything(Stream(key), rows, draw), strict=True):
            torch.testing.assert_close(one, another, rtol=0, atol=0)


def test_a_graph_draws_what_an_eager_call_draws():
    graph_equals_eager("eager", [5, 1 << 63, (1 << 64) - 1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_machine_code_of_a_graph_draws_what_an_eager_call_draws(backend):
    graph_equals_eager(backend, [5, 1 << 63, (1 << 64) - 1])


@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_program_draws_the_same(strict):
    class Reading(torch.nn.Module):
        stream = Stream.of(1, "read")

        def forward(self, rows):
            return self.stream.normal_block(rows, 19)

    rows = torch.arange(6)
    program = torch.export.export(Reading(), (rows,), strict=strict)
    assert torch.equal(program.module()(rows), Reading()(rows))


def test_streams_need_no_compiler():
    """Neither numba, nor torch's own, which takes a second to import."""
    path = sys.modules[Stream.__module__].__file__
    code = (
        "import importlib.util, sys; sys.modules['numba'] = None; "
        f"spec = importlib.util.spec_from_file_location('streams', {path!r}); "
        "module = sys.modules['streams'] = importlib.util.module_from_spec(spec); "
        "spec.loader.exec_module(module); assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
