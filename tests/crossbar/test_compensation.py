"""Programming for the wires: pairs that are seen through them are the weights, times a scale that a gain undoes."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

import memrix
from memrix._support import compilation
from memrix._support.random import Seeds
from memrix.crossbar import (
    CellTechnology,
    Drift,
    Faults,
    Ideal,
    ResetRamp,
    ResetSet,
    Tile,
    Wires,
    compensated,
    program_pairs,
    rows_in_use,
    through_wires,
)
from memrix.crossbar.mapping import Layout
from memrix.device import load_parameters
from memrix.errors import SettingsError

PARAMETERS = load_parameters()
LOW, HIGH = PARAMETERS.low_resistance_conductance, PARAMETERS.high_resistance_conductance
TECHNOLOGY = CellTechnology(PARAMETERS, Ideal(), Faults(), Drift())
# The last tile of rows holds 6 of 10, the last of columns 3 of 4.
BIT_SLICED = Layout(groups=2, inputs=16, outputs=7, planes=2, levels=1, tile=Tile(10, 4))
MULTI_LEVEL = Layout(groups=2, inputs=16, outputs=7, planes=1, levels=3, tile=Tile(10, 4))


def integers():
    drawn = torch.randint(-3, 4, (2, 16, 7), generator=torch.Generator().manual_seed(0))
    drawn[1, :, 2] = 0  # an output without weights
    return drawn


def seen(layout, wires, weights, levels=None):
    """The weights that are read, float64 ``[groups, inputs, outputs]``."""
    pairs = program_pairs(weights, layout, TECHNOLOGY, seeds=Seeds(), name="layer", levels=levels)
    wired = through_wires(pairs, layout, TECHNOLOGY, wires, volts=0.4, temperature=300.0)
    on, off = TECHNOLOGY.nominal_states
    digits = rows_in_use(wired.difference, layout).double() / (on - off)
    return torch.einsum("gipo,p->gio", digits, torch.tensor(layout.plane_weights, dtype=torch.float64))


@pytest.mark.parametrize("layout", [BIT_SLICED, MULTI_LEVEL], ids=["bit-sliced", "multi-level"])
@pytest.mark.parametrize(
    "wires",
    [
        Wires(ohms_per_cell=20.0),
        Wires(ohms_per_cell=20.0, arrays="interleaved"),
        Wires(word_line_ohms=200.0, driver_ohms=90.0, sense_ohms=10.0, drive="both-sides"),
    ],
    ids=["separate", "interleaved", "both-sides"],
)
def test_wires_turn_the_levels_into_the_weights_times_a_scale(layout, wires):
    weights = integers()
    levels, scale = compensated(weights, layout, TECHNOLOGY, wires, name="layer")
    got = seen(layout, wires, weights, levels) / scale[:, None]
    assert (got - weights).abs().max() < 2e-3
    assert (seen(layout, wires, weights) - weights).abs().max() > 0.1
    assert levels.min() == 0
    assert levels.max() <= 1
    assert scale[1, 2] > 0.99  # nothing to hold, nothing to make room for
    # The scale is as large as it can be, and 1 at most: some cell of each output is ON, or nearly.
    assert levels.amax((0, 1, 3))[scale < 0.99].min() > 0.99
    assert scale.min() < 0.9


def test_one_cell_behind_its_driver():
    """Of conductance ``C`` behind 1,000 ohm, ``C / (1 + 1,000 C)`` counts; the OFF cell is as OFF as it was."""
    layout = Layout(groups=1, inputs=1, outputs=1, planes=1, levels=1, tile=Tile())
    levels, scale = compensated(
        torch.ones(1, 1, 1, dtype=torch.int64), layout, TECHNOLOGY, Wires(driver_ohms=1e3), name="layer"
    )
    on, off = (LOW - state * (LOW - HIGH) for state in TECHNOLOGY.nominal_states)
    assert scale.item() == pytest.approx((on / (1 + 1e3 * on) - off / (1 + 1e3 * off)) / (on - off), rel=2e-3)
    torch.testing.assert_close(levels.flatten(), torch.tensor([1.0, 0.0]), rtol=0, atol=3e-3)


def test_tiles_are_solved_alike_alone_and_together(monkeypatch):
    wires = Wires(ohms_per_cell=5.0)
    together = compensated(integers(), BIT_SLICED, TECHNOLOGY, wires, name="layer")
    monkeypatch.setattr("memrix.crossbar.wired.CELLS_TOGETHER", 1)
    alone = compensated(integers(), BIT_SLICED, TECHNOLOGY, wires, name="layer")
    torch.testing.assert_close(together.levels, alone.levels, rtol=0, atol=1e-3)
    torch.testing.assert_close(together.scale, alone.scale, rtol=1e-3, atol=0)


@pytest.mark.skipif(not compilation.AVAILABLE, reason="numba is not there")
@pytest.mark.parametrize("layout", [BIT_SLICED, MULTI_LEVEL], ids=["bit-sliced", "multi-level"])
@pytest.mark.parametrize(
    "wires",
    [
        Wires(ohms_per_cell=20.0),
        Wires(ohms_per_cell=20.0, arrays="interleaved", drive="both-sides"),
        Wires(sense_ohms=90.0),
        Wires(bit_line_ohms=20.0, driver_ohms=9.0, rows_at_once=5),
    ],
    ids=["separate", "interleaved", "sense", "rows-at-once"],
)
def test_compiled_loops_give_the_bits_of_tensor_operations(layout, wires, monkeypatch):
    layout = replace(layout, rows_at_once=wires.rows_at_once)
    compiled = compensated(integers(), layout, TECHNOLOGY, wires, name="layer")
    monkeypatch.setattr(compilation, "AVAILABLE", False)
    expected = compensated(integers(), layout, TECHNOLOGY, wires, name="layer")
    assert torch.equal(compiled.scale, expected.scale)
    assert torch.equal(compiled.levels, expected.levels)
    assert expected.scale.min() < 0.99


def test_full_tiles_hold_the_weights_too():
    layout = Layout(groups=1, inputs=128, outputs=128, planes=1, levels=1, tile=Tile())
    weights = torch.randint(-1, 2, (1, 128, 128), generator=torch.Generator().manual_seed(0))
    for wires in (
        Wires(ohms_per_cell=0.1),
        Wires(ohms_per_cell=1.0),
        Wires(ohms_per_cell=0.35, arrays="interleaved"),
    ):
        levels, scale = compensated(weights, layout, TECHNOLOGY, wires, name="layer")
        got = seen(layout, wires, weights, levels) / scale[:, None]
        assert (got - weights).abs().max() < 2e-3


def test_wires_that_no_level_makes_up_for_are_refused():
    with pytest.raises(
        SettingsError, match=r"layer 'layer'.*3000 and 3000 ohm .* 10 x 4 cells.*; give smaller tiles"
    ):
        compensated(integers(), BIT_SLICED, TECHNOLOGY, Wires(ohms_per_cell=3e3), name="layer")


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(200, 60), nn.ReLU(), nn.Linear(60, 10)), [torch.randn(64, 200) for _ in range(4)]


def chips(*hardware):
    model, batches = network()
    memrix.calibrate(model, batches, hardware[0])
    return model, batches, [memrix.program(model, each) for each in hardware]


def error(chip, model, x):
    with torch.no_grad():
        return float((chip(x) - model(x)).norm() / model(x).norm())


PERFECT = memrix.Hardware.preset("ideal")
WIRED = PERFECT.replace(wires=Wires(ohms_per_cell=0.35))
COMPENSATED = WIRED.replace(**{"programming.compensate_wires": True})


def test_a_chip_programmed_for_its_wires_computes_what_one_without_does():
    _, batches, (perfect, wired, compensating) = chips(PERFECT, WIRED, COMPENSATED)
    assert error(wired, perfect, batches[0]) > 0.1
    assert error(compensating, perfect, batches[0]) < 1e-3
    layer = memrix.summary(compensating).layers[0]
    assert 0.3 < layer.wire_scales[0] < layer.wire_scales[1] < 0.95
    assert "scale" in str(memrix.summary(compensating))
    assert "scale" not in str(memrix.summary(wired))


def test_the_gain_comes_back_from_files_and_becomes_part_of_digital_weights(tmp_path):
    model, batches, (chip,) = chips(COMPENSATED)
    memrix.save(chip, tmp_path / "chip.safetensors")
    loaded = memrix.load(tmp_path / "chip.safetensors", model)
    assert torch.equal(loaded(batches[0]), chip(batches[0]))
    assert memrix.summary(loaded).layers[0].wire_scales == memrix.summary(chip).layers[0].wire_scales
    other = memrix.program(model, COMPENSATED, seed=5)
    other.load_state_dict(chip.state_dict())
    assert torch.equal(other(batches[0]), chip(batches[0]))
    digital = memrix.to_digital(chip)
    assert (digital[0].weight - model[0].weight).norm() < 0.1 * model[0].weight.norm()


def test_columns_are_corrected_beside_the_scale():
    model, batches, (chip,) = chips(COMPENSATED.replace(column_calibration=True))
    assert (chip[0].memrix.programmed.column_gain - 1).abs().max() < 0.05
    assert error(chip, model, batches[0]) < 0.1


def test_without_wires_the_setting_changes_nothing():
    _, batches, (plain, asked) = chips(PERFECT, PERFECT.replace(**{"programming.compensate_wires": True}))
    assert torch.equal(plain(batches[0]), asked(batches[0]))


def test_a_protocol_without_levels_is_told_which_ones_have_them():
    with pytest.raises(SettingsError, match=r"no setting 'compensate_wires'.*'reset-ramp' or 'ideal' has"):
        memrix.Hardware(programming=ResetSet()).replace(**{"programming.compensate_wires": True})

    @dataclass(frozen=True)
    class OnOrOff(ResetRamp):
        name: ClassVar[str] = "on-or-off"
        analog: ClassVar[bool] = False

    with pytest.raises(SettingsError, match=r"compensate_wires needs cells at levels.*use programming 'reset-ramp'"):
        memrix.Hardware(programming=OnOrOff(compensate_wires=True))
    with pytest.raises(SettingsError, match=r"compensate_wires must be"):
        ResetRamp(compensate_wires="yes")


@pytest.mark.slow  # some 10 s: cells are ramped
@pytest.mark.parametrize("arrays", ["separate", "interleaved"])
def test_ramped_cells_behind_wires_read_within_a_fifth_as_well_as_without(arrays):
    tuned = memrix.Hardware.preset("tuned").replace(weight_bits=1.5, column_calibration=False)
    tuned = tuned.replace(tile=Tile(64, 64))
    wired = tuned.replace(wires=Wires(ohms_per_cell=0.35, arrays=arrays))
    compensating = wired.replace(**{"programming.compensate_wires": True})
    torch.manual_seed(0)
    model, batches = nn.Linear(64, 64, bias=False), [torch.randn(64, 64) for _ in range(4)]
    model.weight.data = torch.randint(-1, 2, (64, 64)).float()
    memrix.calibrate(model, batches, tuned)
    good, bad, better = (
        error(memrix.program(model, each), model, batches[0]) for each in (tuned, wired, compensating)
    )
    assert better < 1.2 * good < 0.5 * bad
