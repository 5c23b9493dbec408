"""Wear is that of the library of arXiv 2505.24721: a pulse has one voltage for all cells of an array."""

import pytest
import synaptogen.synaptogen as reference
import torch
from scipy.stats import ks_2samp

from memrix import Hardware
from memrix._support.random import Seeds
from memrix._support.streams import Stream
from memrix.crossbar import PreCycled, ResetSet, program_pairs
from memrix.crossbar.protocols.wear import wear_voltages
from memrix.device import Cells, PulseVoltages
from tests.crossbar.protocols.populations import program
from tests.oracle import fresh_cells

CELLS = 1 << 15


@pytest.mark.parametrize("on", [True, False])
def test_wear_is_that_of_the_numpy_package(on):
    """Two arrays under the same voltages there and here."""
    stream = Stream.of(1, "programming")  # what ``program`` gives the protocol for seed 1
    voltages = wear_voltages(2, torch.arange(2), PulseVoltages(-2.0, 2.0), stream)
    worn = program(PreCycled(2), torch.full((CELLS,), on))
    half = CELLS // 2  # 128 x 128
    for array, states in enumerate(worn.states.split(half)):
        package = fresh_cells(half, seed=4 + array)
        package.inHRS[:] = True
        for volts in (*voltages[:, array].tolist(), 2.0, *([-2.0] if on else [])):
            reference.applyVoltage(package, volts)
        assert ks_2samp(states.numpy(), package.r).pvalue > 0.001
    assert worn.report.pulses == CELLS * (30 + 1 + on)


def recorded(monkeypatch) -> list[torch.Tensor]:
    """Voltages of all pulses to come, one for each cell."""
    seen = []
    apply = Cells.apply_voltage

    def record(cells, volts, where=None):
        seen.append(torch.as_tensor(volts, dtype=torch.float32).expand(cells.shape).clone())
        apply(cells, volts, where)

    monkeypatch.setattr(Cells, "apply_voltage", record)
    return seen


def test_a_pulse_has_one_voltage_for_an_array_and_others_for_others(monkeypatch):
    hardware = Hardware(weight_bits=3, programming=PreCycled(1), **{"tile": Hardware().tile.__class__(4, 3)})
    integers = torch.randint(-3, 4, (2, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    layout = hardware.layout(*integers.shape)
    hardware.technology.nominal_states  # noqa: B018 - found before pulses are recorded
    pulses = recorded(monkeypatch)
    program_pairs(integers, layout, hardware.technology, seeds=Seeds(), name="x")
    wear = torch.stack(pulses[:15]).view(15, 2 * layout.planes, 2, 6, 5)  # planes and polarities, groups
    arrays = [wear[:, p, g, r, c] for p in range(4) for g in range(2) for r in (slice(4), slice(4, 6)) for c in PARTS]
    for array in arrays:
        assert (array == array[:, :1, :1]).all()
    assert len({float(array[0, 0, 0]) for array in arrays}) == len(arrays) == 4 * 2 * 2 * 2
    assert wear.abs().max() <= 2
    assert wear.min() < -1 < 1 < wear.max()


PARTS = (slice(3), slice(3, 5))  # columns of the two tiles side by side


def test_cells_of_no_known_array_lie_in_arrays_of_the_paper(monkeypatch):
    pulses = recorded(monkeypatch)
    program(PreCycled(1), torch.zeros(3 * 16_384, dtype=torch.bool))
    assert all(len(set(volts.tolist())) <= 3 for volts in pulses)


def test_wear_is_a_matter_of_the_seed_alone():
    on = torch.arange(140_000) % 3 == 0
    first, again, other = (program(PreCycled(1), on, seed=seed).states for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_wear_is_reset_set():
    on = torch.arange(CELLS) % 2 == 0
    worn, fresh = program(PreCycled(0), on), program(ResetSet(), on)
    assert ks_2samp(worn.states[on].numpy(), fresh.states[on].numpy()).pvalue > 0.001
    assert ks_2samp(worn.states[~on].numpy(), fresh.states[~on].numpy()).pvalue > 0.001
