"""Figures of a chip: readings of ADCs, states of cells, wires."""

import copy

import pytest
import torch

import memrix
from memrix.reporting.chip_figures import BINS, adc_histograms, cell_states, wires_map
from tests.reporting.conftest import inputs
from tests.studies.small_study import HARDWARE, network


def programmed(model, hardware):
    batches = inputs()
    memrix.calibrate(model, batches, hardware)
    return memrix.program(model, hardware)


def test_clipped_readings_are_those_that_the_chip_counts():
    chip = programmed(network(), HARDWARE.replace(**{"noise": "off", "adc.range_bits": 1, "adc.precision_bits": 6}))
    found = adc_histograms(chip, inputs())
    with torch.no_grad():
        for batch in inputs():
            chip(batch)
    layers = memrix.summary(chip).layers
    assert sum(layer.clipped for layer in layers) > 0
    for histogram, layer in zip(found, layers, strict=True):
        assert histogram.name == layer.name
        assert histogram.readings == sum(histogram.counts) == layer.conversions
        assert histogram.clipped * histogram.readings == pytest.approx(layer.clipped, rel=1e-5)
        assert histogram.limit == 1.0


def test_a_reading_of_one_lies_where_it_is():
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 1.0)
    hardware = memrix.Hardware.preset("ideal").replace(weight_bits=2, adc=memrix.ADC(4, 2))
    memrix.calibrate(model, [torch.ones(1, 1)], hardware)
    (found,) = adc_histograms(memrix.program(model, hardware), [torch.ones(5, 1)])
    assert (found.largest, found.deviation, found.clipped) == pytest.approx((1.0, 1.0, 0.0), abs=1e-6)
    place = found.counts.index(5)
    assert abs((place - BINS // 2) * 2 * 1.5 * found.limit / BINS - 1.0) < 1.5 * found.limit / BINS


def test_cells_are_counted_at_the_level_that_they_were_programmed_to(chip):
    off, on = cell_states(chip)
    assert (off.level, on.level) == (0.0, 1.0)
    assert sum(off.counts) + sum(on.counts) == memrix.summary(chip).cells
    assert on.mean < off.mean


def test_ideal_cells_have_the_states_of_their_levels():
    hardware = HARDWARE.replace(programming="ideal", mapping="multi-level", weight_bits=3)
    found = cell_states(programmed(network(), hardware))
    assert [level.level for level in found] == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=1e-6)
    assert max(level.deviation for level in found) < 1e-4
    states = [level.mean for level in found]
    assert states[1] - states[0] == pytest.approx(states[3] - states[2], abs=1e-4)


def test_a_chip_without_noise_has_no_states():
    assert cell_states(programmed(network(), HARDWARE.replace(noise="off"))) == ()


def test_a_single_cell_behind_its_wires():
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 1.0)
    hardware = HARDWARE.replace(programming="ideal", weight_bits=2, **{"wires.ohms_per_cell": 1000.0})
    memrix.calibrate(model, [torch.ones(1, 1)], hardware)
    chip = memrix.program(model, hardware)
    found = wires_map(chip)
    crossbar = chip.memrix.programmed.crossbar
    low, high = (
        crossbar.cell_parameters.low_resistance_conductance,
        crossbar.cell_parameters.high_resistance_conductance,
    )
    conductance = low - crossbar.nominal_states[0] * (low - high)
    assert found.shares.shape == (1, 1)
    assert float(found.shares) == pytest.approx((1 / (1 + 1000.0 * conductance)) ** 2, rel=1e-5)


def test_ideal_wires_have_no_map():
    assert wires_map(programmed(network(), HARDWARE.replace(**{"wires.ohms_per_cell": 0.0}))) is None


def test_the_layer_that_loses_most_is_shown(chip):
    found = wires_map(chip)
    least = min(memrix.summary(chip).layers, key=lambda layer: layer.wire_share)
    assert found.name == least.name
    assert float(found.shares[0, 0]) == float(found.shares.max())


def test_the_chip_is_left_as_it_was():
    chip = programmed(network(), memrix.Hardware.preset("realistic"))
    before = copy.deepcopy(chip.state_dict())
    counts = memrix.summary(chip).conversions
    adc_histograms(chip, inputs())
    cell_states(chip)
    wires_map(chip)
    assert memrix.summary(chip).conversions == counts
    assert all(torch.equal(value, before[name]) for name, value in chip.state_dict().items())
