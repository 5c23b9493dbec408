"""A reading is a function of seed, input and number: not of backend, batch or threads, nor of strides."""

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from memrix.crossbar import Crossbar, gemm, kernels, read
from memrix.crossbar.converter_kernels import Adcs
from memrix.crossbar.converters import Converters
from memrix.crossbar.noise import read_normals
from memrix.crossbar.operator import ADC_KEY, KEY, READINGS
from memrix.errors import MemrixError
from memrix.hardware import Hardware
from tests.crossbar.test_crossbar import FINE, GROUPS, INPUTS, OUTPUTS, codes, crossbar

PHYSICAL = Hardware.preset("physical").replace(weight_bits=3, **FINE)
QUIET = PHYSICAL.replace(noise="off")
COARSE = PHYSICAL.replace(**{"tile.rows": 32, "adc.precision_bits": 6, "adc.range_bits": 1})
LINEAR_ERRORS = {"adc.offset_error": 1.5, "adc.gain_error": 0.03, "adc.stuck_lsb": 0.2}
LINEAR = COARSE.replace(**LINEAR_ERRORS)
SAR = COARSE.replace(**LINEAR_ERRORS, **{"adc.capacitor_mismatch": 0.02, "adc.noise": 0.5})
NOISY_ADC = QUIET.replace(**{"adc.noise": 0.5})


def of_reference(array: Crossbar, inputs: torch.Tensor) -> tuple[torch.Tensor, int]:
    adc, errors = array.circuit.adc, array.adc_errors
    converters = None if errors is None else Converters(errors, adc.noise, array.record[ADC_KEY])
    cells = read.Cells(array.shape, array.difference, array.total, array.tables, adc.largest_code, converters)
    steps, clipped = read.read(
        inputs.flatten(1, 2).float(), array.unit, cells, array.record[KEY], array.record[READINGS]
    )
    array.restart(array.read_seed)
    return (steps * array.result_weight).view(*inputs.shape[:3], -1), int(clipped)


def inputs_last(inputs: torch.Tensor) -> torch.Tensor:
    return inputs


def vectors_last(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)


def scattered(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.repeat_interleave(2, -1)[..., ::2]


def part_of_more(inputs: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.full_like(inputs, 1 << 20), inputs], 2)[:, :, inputs.shape[2] :]


@pytest.mark.skipif(not gemm.available(), reason="products of torch depend on the size of a batch")
@pytest.mark.parametrize("order", [inputs_last, vectors_last, scattered, part_of_more])
@pytest.mark.parametrize("groups", [1, GROUPS])
@pytest.mark.parametrize(
    "hardware",
    [QUIET, PHYSICAL, COARSE, LINEAR, SAR, NOISY_ADC],
    ids=["quiet", "physical", "coarse", "linear errors", "SAR", "noisy ADC"],
)
def test_compiled_loops_give_the_bits_of_tensor_operations(hardware, groups, order):
    weights = torch.randint(-3, 4, (groups, INPUTS, OUTPUTS), generator=torch.Generator().manual_seed(1))
    array = crossbar(hardware, weights=weights.int())
    inputs = codes(300, shared=2)[:groups]
    expected, clipped = of_reference(array, inputs)
    assert torch.equal(array(order(inputs)), expected)
    assert array.counts.clipped == clipped
    assert (clipped > 1000) == (hardware in (COARSE, LINEAR, SAR))


@pytest.mark.skipif(not gemm.available(), reason="products of torch depend on the size of a batch")
@pytest.mark.parametrize("hardware", [QUIET, PHYSICAL, SAR], ids=["quiet", "physical", "SAR"])
@pytest.mark.parametrize("sizes", [(1,) * 64, (7,) * 9 + (1,), (64,)], ids=["1", "7", "64"])
def test_a_batch_may_be_split_in_any_way(hardware, sizes):
    inputs = codes(64)
    array = crossbar(hardware)
    parts = torch.cat([array(part) for part in inputs.split(sizes, 2)], 2)
    assert torch.equal(parts, crossbar(hardware)(inputs))


@pytest.mark.parametrize("vectors", [3, 3000])
def test_any_number_of_threads_reads_the_same(vectors):
    threads = torch.get_num_threads()
    results = []
    for number in (1, 2, 4):
        torch.set_num_threads(number)
        results.append(crossbar(PHYSICAL)(codes(vectors)))
    torch.set_num_threads(threads)
    assert all(torch.equal(result, results[0]) for result in results)


def test_a_fresh_process_reads_the_same():
    script = "from tests.crossbar.test_read import *\nprint(crossbar(PHYSICAL)(codes(2)).flatten().tolist())"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(crossbar(PHYSICAL)(codes(2)).flatten().tolist())


def test_first_draws_of_the_read_noise_are_pinned():
    """They are part of what a seed means: another draw takes another version of the streams."""
    array = crossbar(PHYSICAL)
    assert int(array.record[KEY]) == PINNED_KEY
    drawn = read_normals(array.record[KEY], torch.tensor(5), 1, 2, 5).flatten()
    torch.testing.assert_close(drawn, torch.tensor(PINNED), rtol=0, atol=1e-6)


PINNED_KEY = -5192340175700425894
PINNED = [1.254735, 0.523629, 0.439512, -0.238955, 0.486434, 0.023735, 1.393619, -1.383589, 0.278548, -0.735481]


def test_readings_that_follow_each_other_have_their_own_noise():
    array, inputs = crossbar(PHYSICAL), codes(1)
    clean = crossbar(QUIET)(inputs)
    noise = torch.stack([array(inputs) for _ in range(400)]) - clean
    assert len({tuple(reading.flatten().tolist()) for reading in noise}) == 400
    neighbors = torch.corrcoef(torch.stack((noise[:-1].flatten(), noise[1:].flatten())))[0, 1]
    assert abs(neighbors) < 0.15


def test_windows_that_overlap_are_read_like_copies():
    array, other = (crossbar(PHYSICAL) for _ in range(2))
    signal = torch.linspace(-100, 100, GROUPS * 200).round().view(GROUPS, 1, 200)
    windows = signal.unfold(2, INPUTS, 2)  # [groups, 1, 66, inputs]
    assert torch.equal(array(windows), other(windows.contiguous()))


def test_what_lies_between_windows_is_not_looked_at():
    inputs = codes(3).float()
    holes = torch.stack([inputs, torch.full_like(inputs, torch.nan)], -1)[..., 0]
    assert torch.equal(crossbar(PHYSICAL)(holes), crossbar(PHYSICAL)(inputs))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("order", [inputs_last, vectors_last])
def test_an_input_that_is_not_finite_is_an_error_that_names_the_layer(value, order):
    array = crossbar(PHYSICAL)
    inputs = codes(3).float()
    inputs[0, 0, 1, 5] = value
    with pytest.raises(MemrixError, match="the input of layer 'test' holds NaN or infinite"):
        array.read(order(inputs), 2, array.unit, array.unit)


def test_readings_follow_every_change_of_the_crossbar():
    array, inputs = crossbar(QUIET), codes(2)
    first = array(inputs)
    array.set_converter(replace(array.circuit.adc, gain=3.0))
    assert not torch.equal(array(inputs), first)
    torch.testing.assert_close(array(inputs), first, rtol=0, atol=0.05)
    # Cells that are written to in place, as load_state_dict does, and cells that are put in their place.
    array.difference.neg_()
    torch.testing.assert_close(array(inputs), -first, rtol=0, atol=0.05)
    array.difference = array.difference.neg()
    torch.testing.assert_close(array(inputs), first, rtol=0, atol=0.05)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda array: pickle.loads(pickle.dumps(array))])
def test_a_copy_goes_on_from_the_same_reading_with_its_own_cells(copied):
    array, inputs = crossbar(PHYSICAL), codes(2)
    array(inputs)
    other = copied(array)
    assert torch.equal(other(inputs), array(inputs))
    other.difference.zero_()
    assert not torch.equal(other(inputs), array(inputs))


@pytest.mark.parametrize("vectors", [1, 3000])
def test_threads_may_read_one_crossbar_at_a_time(vectors):
    array = crossbar(QUIET)
    inputs = [codes(vectors).roll(shift, 2) for shift in range(8)]
    expected = [array(given) for given in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for result, alone in zip(pool.map(array, inputs), expected, strict=True):
                assert torch.equal(result, alone)


@pytest.mark.parametrize("first", [True, False])
def test_inference_mode_and_others_take_turns(first):
    array = crossbar(PHYSICAL)
    for inference in (first, not first, first):
        with torch.inference_mode(inference):
            assert array(codes(3)).any()


def test_a_crossbar_that_is_moved_to_shared_memory_is_read_there():
    array, inputs = crossbar(QUIET), codes(2)
    first = array(inputs)
    array.share_memory()
    array.tables.neg_()
    torch.testing.assert_close(array(inputs), -first, rtol=0, atol=0.05)


@pytest.mark.parametrize("limit", [1, 8, 128, 1 << 23])
def test_readings_are_rounded_to_the_even_neighbor_and_clipped(limit):
    generator = np.random.default_rng(0)
    halves = np.arange(-300, 300) / 2
    readings = np.concatenate([halves, generator.normal(size=600) * limit, halves + np.float32(1e-5)])
    readings = np.resize(readings, (5, 360)).astype(np.float32)
    expected = np.rint(readings)
    sums, none = np.zeros((5, 360), np.float32), np.empty((0, 0), np.float32)
    words, table = np.empty((0, 0), np.uint16), np.empty(0, np.float32)
    adcs = Adcs(none, np.float32(0), 0, 0, np.empty(0, np.uint16), np.float32(limit))
    clipped = kernels.convert(readings, none, np.empty((0, 0)), words, table, 0, 0, adcs, words, sums, 0)
    assert np.array_equal(sums, np.clip(expected, -limit, limit))
    assert clipped == np.sum(np.abs(expected) > limit)


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
import torch, memrix
from torch import nn
model, x = nn.Sequential(nn.Linear(20, 8), nn.LSTM(8, 4)), torch.randn(6, 20)
for name in sys.argv[1:]:
    hardware = memrix.Hardware.preset(name)
    memrix.calibrate(model, [x] * 8, hardware)
    chip = memrix.program(model, hardware)
    assert chip(x)[0].isfinite().all()
print("done")
"""


# The ramp of "tuned" takes half a minute in tensor operations; tests of ramps hold them against compiled loops.
@pytest.mark.parametrize(
    "presets", [("ideal", "physical", "paper"), pytest.param(("tuned",), marks=pytest.mark.slow)], ids=" ".join
)
def test_everything_runs_without_numba(presets):
    run = subprocess.run([sys.executable, "-c", WITHOUT_NUMBA, *presets], capture_output=True, text=True)
    assert run.stdout.strip() == "done", run.stderr
