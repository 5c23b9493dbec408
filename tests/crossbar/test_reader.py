import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from memrix.crossbar import Reader
from memrix.errors import InputError
from memrix.hardware import Hardware
from tests.crossbar.test_crossbar import FINE, codes, crossbar

PHYSICAL = Hardware.preset("physical").replace(weight_bits=3, **FINE)
FINE_STEP = PHYSICAL.adc.step


@pytest.mark.parametrize("noise", ["off", "physical", "legacy"])
def test_a_reader_reads_what_the_crossbar_reads(noise):
    hardware = PHYSICAL.replace(noise=noise)
    inputs = codes(5)
    array = crossbar(hardware)
    steps = Reader(crossbar(hardware), times=1)(inputs)
    assert torch.equal(steps, steps.round())
    assert torch.equal(steps * array.result_weight, array(inputs))


def test_readings_that_follow_each_other_have_noise_of_their_own():
    array, inputs = crossbar(PHYSICAL), codes(1)
    clean = crossbar(PHYSICAL.replace(noise="off"))(inputs)
    series, single = Reader(array, times=400), crossbar(PHYSICAL)
    together = torch.stack([series(inputs) * array.result_weight for _ in range(400)]) - clean
    apart = torch.stack([single(inputs) for _ in range(400)]) - clean
    assert len({tuple(reading.flatten().tolist()) for reading in together}) > 300
    torch.testing.assert_close(together.std(0), apart.std(0), rtol=0.25, atol=0.02)
    neighbors = torch.corrcoef(torch.stack((together[:-1].flatten(), together[1:].flatten())))[0, 1]
    assert abs(neighbors) < 0.15


def test_more_calls_than_were_announced_and_other_sizes_are_read_too():
    array = crossbar(PHYSICAL)
    reader = Reader(array, times=1)
    sizes = (3, 3, 5, 1)
    assert [reader(codes(size)).shape[2] for size in sizes] == list(sizes)
    assert array.counts.conversions == sum(sizes) * array.layout.conversions


def test_vectors_of_another_length_are_refused():
    with pytest.raises(InputError, match="got vectors for"):
        Reader(crossbar(PHYSICAL))(torch.zeros(1, 1, 2, 3))


QUIET = PHYSICAL.replace(noise="off")


def test_small_readings_follow_every_change_of_the_crossbar():
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
def test_a_copy_that_was_read_has_cells_of_its_own(copied):
    array, inputs = crossbar(QUIET), codes(2)
    first = array(inputs)
    other_copy = copied(array)
    assert torch.equal(other_copy(inputs), first)
    other_copy.difference.zero_()
    assert not other_copy(inputs).any()
    assert torch.equal(array(inputs), first)


@pytest.mark.parametrize("vectors", [1, 3000])
def test_threads_read_one_crossbar_at_a_time_of_their_own(vectors):
    array = crossbar(QUIET)
    inputs = [codes(vectors).roll(shift, 2) for shift in range(8)]
    expected = [array(given) for given in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for result, alone in zip(pool.map(array, inputs), expected, strict=True):
                assert torch.equal(result, alone)


def test_a_reader_that_changes_hands_reads_into_buffers_of_its_own():
    array, inputs = crossbar(QUIET), codes(2)
    reader, other = Reader(array), Reader(array)
    expected = reader(inputs)
    with ThreadPoolExecutor(1) as pool:
        assert torch.equal(pool.submit(reader, inputs).result(), expected)
        theirs = reader._whole
    other(inputs)
    assert theirs is not other._whole


@pytest.mark.parametrize("vectors", [2, 3000])
@pytest.mark.parametrize("first", [True, False])
def test_inference_mode_and_others_take_turns(first, vectors):
    array = crossbar(PHYSICAL)
    for inference in (first, not first, first):
        with torch.inference_mode(inference):
            assert array(codes(vectors)).any()
    with torch.no_grad():
        assert crossbar(PHYSICAL)(codes(vectors)).any()


def test_a_crossbar_that_is_moved_to_shared_memory_is_read_there():
    array, inputs = crossbar(QUIET), codes(2)
    first = array(inputs)
    array.share_memory()
    array.tables.neg_()
    torch.testing.assert_close(array(inputs), -first, rtol=0, atol=0.05)


def test_codes_may_have_a_gradient():
    array, inputs = crossbar(QUIET), codes(2).float()
    assert torch.equal(array(inputs.clone().requires_grad_()), array(inputs))


@pytest.fixture
def many_blocks(monkeypatch):
    for name, value in {"_SMALL": 0, "_BUFFER": 1, "_FEWEST_ROWS": 3, "_WORTH_THREADS": 0}.items():
        monkeypatch.setattr(f"memrix.crossbar.reader.{name}", value)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


COARSE = {"tile.rows": 32, "adc.precision_bits": 6, "adc.range_bits": 1}


def test_blocks_side_by_side_read_what_one_reads(many_blocks, monkeypatch):
    inputs = codes(40, shared=5)
    array = crossbar(QUIET.replace(**COARSE))
    read, counted = array(inputs), array.counts.clipped
    monkeypatch.undo()
    whole = crossbar(QUIET.replace(**COARSE))
    assert torch.equal(whole(inputs), read)
    assert whole.counts.clipped == counted > 100


def test_blocks_share_legacy_noise_and_no_other(many_blocks):
    one = codes(1)
    vectors = one.expand(-1, 7, 40, -1)
    legacy = crossbar(PHYSICAL.replace(noise="legacy"))(vectors)
    # Rounding may move a reading by a step or two.
    torch.testing.assert_close(legacy, legacy[:, :1].expand_as(legacy), rtol=0, atol=8 * FINE_STEP)
    physical = crossbar(PHYSICAL)(one.expand(-1, 1, 40, -1))[0, 0]
    assert len({tuple(reading.tolist()) for reading in physical}) == 40


def test_blocks_have_the_same_noise_on_any_number_of_threads(many_blocks):
    side_by_side = crossbar(PHYSICAL)(codes(40))
    torch.set_num_threads(1)
    assert torch.equal(crossbar(PHYSICAL)(codes(40)), side_by_side)
