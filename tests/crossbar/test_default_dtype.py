"""Cells, protocols and readings are the same bits whatever type torch gives new tensors by default."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from memrix import Hardware
from memrix._support.random import Seeds
from memrix._support.streams import Stream
from memrix.crossbar import Crossbar, Drift, Faults, Ideal, PreCycled, ResetRamp, ResetSet, WriteVerify, program_pairs
from memrix.crossbar.columns import column_corrections
from memrix.crossbar.protocols.population import fresh_means
from memrix.crossbar.protocols.resampled import Resampled
from memrix.crossbar.ranging import best_converter
from memrix.device import Cells, DeviceParameters, load_parameters


def anew() -> DeviceParameters:
    """The measured device as a new object, of which nothing is kept from an earlier run."""
    return dataclasses.replace(load_parameters())


@pytest.fixture
def other_default() -> Iterator[torch.dtype]:
    before = torch.get_default_dtype()
    yield torch.float64
    torch.set_default_dtype(before)


def same(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, (tuple, list)):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    if hasattr(first, "__dict__") and type(first) is type(second):
        return same(list(vars(first).values()), list(vars(second).values()))
    return first == second


def life_of_cells() -> list[object]:
    cells = Cells((40, 50), anew(), seed=3)
    for volts in (-2.0, 0.8, 2.0, -0.7, -2.0):
        cells.apply_voltage(volts)
    voltages = torch.linspace(-1, 1, 50, dtype=torch.float32)
    everything = [
        cells.read(0.2),
        cells.read(voltages),
        cells.current(voltages),
        cells.features,
        cells.disturbed(0.6),
    ]
    return [*everything, *cells.state_dict().values(), cells.energy]


@pytest.mark.parametrize(
    "protocol",
    [ResetSet(), PreCycled(1), WriteVerify(), ResetRamp(step=0.02), Ideal(), Resampled(ResetRamp(step=0.05))],
)
def test_programmed_cells_are_the_same_bits(protocol, other_default):
    def program() -> list[object]:
        parameters = anew()
        on = torch.arange(5000) % 3 == 0
        targets = [on, torch.rand(5000, generator=torch.Generator().manual_seed(0), dtype=torch.float32)]
        results: list[object] = [protocol.nominal_states(parameters), fresh_means(parameters)]
        for target in targets if protocol.analog else targets[:1]:
            chip, programming = Stream.of(1, "chip"), Stream.of(2, "programming")
            results += protocol.program(target, parameters, chip=chip, programming=programming)
        return results

    expected = program()
    torch.set_default_dtype(other_default)
    assert same(program(), expected)


def test_single_cells_live_the_same_life(other_default):
    expected = life_of_cells()
    torch.set_default_dtype(other_default)
    assert same(life_of_cells(), expected)


@pytest.mark.parametrize("noise", ["off", "physical", "legacy"])
@pytest.mark.parametrize("mapping", ["bit-sliced", "multi-level"])
def test_readings_are_the_same_bits(noise, mapping, other_default):
    hardware = Hardware(
        programming=Ideal(), mapping=mapping, noise=noise, faults=Faults(0.1, 0.1), drift=Drift(100.0, 0.05, 0.01)
    )

    def read() -> list[object]:
        stream = torch.Generator().manual_seed(1)
        integers = torch.randint(-7, 8, (1, 200, 6), generator=stream, dtype=torch.int32)
        layout = hardware.layout(*integers.shape)
        pairs = program_pairs(integers, layout, hardware.technology, seeds=Seeds(), name="x")
        crossbar = Crossbar(pairs, layout=layout, circuit=hardware.circuit, parameters=anew(), read_seed=0, name="x")
        codes = torch.randint(-128, 129, (1, 3, 20, 200), generator=stream)
        results: list[object] = [crossbar(codes), crossbar(codes.float()), crossbar.read_rows(torch.arange(9))]
        results += [crossbar.matrices(), crossbar.transfer(), crossbar.readings(codes[:, 0])]
        results += [*column_corrections(crossbar, codes[:, 0], integers), best_converter(crossbar, codes[:, 0])]
        return results

    expected = read()
    torch.set_default_dtype(other_default)
    assert same(read(), expected)
