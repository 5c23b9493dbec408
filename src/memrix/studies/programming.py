"""What programming protocols and mappings do to weights, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.tables import markdown
from memrix._support.validation import require_integer
from memrix.crossbar import Ideal, PreCycled, ProgrammingProtocol, ResetRamp, ResetSet, WriteVerify
from memrix.crossbar.protocols import ProgrammingReport
from memrix.device import CellCurrent, DeviceParameters, load_parameters
from memrix.hardware import Hardware
from memrix.quantization import weight_integers, weight_step
from memrix.studies.disturbs import DISTURB_HEAD, DisturbRow, disturb_rows

_HEAD = [
    "protocol",
    "mapping",
    "bits",
    "ON spread",
    "OFF spread",
    "weight error",
    "cells",
    "pulses",
    "pJ",
    "failed %",
]
_LEVEL_HEAD = ["protocol", "target", "median", "spread", "missed %", "pulses per cell"]
# Cells that are looked at for what readings would switch, a weight and in all: shares of 1e-5 are to be seen.
_DISTURBED, _MOST_DISTURBED = 16, 1 << 20
TARGETS = (0.3, 0.5, 0.7, 0.9)  # shares of the ON current, for single levels of a ramp


@dataclass(frozen=True)
class ProgrammingRow:
    """One protocol and mapping.

    Attributes:
        protocol: its name and what distinguishes it.
        mapping: ``bit-sliced`` or ``multi-level``.
        weight_bits: sign included.
        on_spread: standard deviation over ON cells of their current at full voltage, as a share of the current of a
            nominal ON cell of reset-set.
        off_spread: the same over OFF cells.
        weight_error: RMS of programmed minus wanted weights, in units of the largest weight.
        cells: a weight.
        pulses: a weight.
        energy: of these pulses, in J a weight.
        failed: share of the cells that did not pass verification.
    """

    protocol: str
    mapping: str
    weight_bits: int
    on_spread: float
    off_spread: float
    weight_error: float
    cells: float
    pulses: float
    energy: float
    failed: float


@dataclass(frozen=True)
class LevelRow:
    """Cells that a ramp brought to one target: currents at full voltage in shares of a nominal ON cell's.

    ``missed`` is the share of cells further than five hundredths from the median.
    """

    protocol: str
    target: float
    median: float
    spread: float
    missed: float
    pulses: float


@dataclass(frozen=True)
class ProgrammingStudy:
    """Rows for protocols and mappings, for single levels of ramps, and for what readings would switch."""

    rows: tuple[ProgrammingRow, ...]
    levels: tuple[LevelRow, ...]
    disturbs: tuple[DisturbRow, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return asdict(self)

    def to_markdown(self) -> str:
        """Three tables for a document."""
        rows = [
            (
                row.protocol,
                row.mapping,
                str(row.weight_bits),
                f"{row.on_spread:.4f}",
                f"{row.off_spread:.4f}",
                f"{row.weight_error:.4f}",
                f"{row.cells:g}",
                f"{row.pulses:.1f}",
                f"{row.energy * 1e12:.0f}",
                f"{100 * row.failed:.2f}",
            )
            for row in self.rows
        ]
        levels = [
            (
                r.protocol,
                f"{r.target:g}",
                f"{r.median:.3f}",
                f"{r.spread:.4f}",
                f"{100 * r.missed:.2f}",
                f"{r.pulses:.0f}",
            )
            for r in self.levels
        ]
        disturbs = [row.cells() for row in self.disturbs]
        tables = ((_HEAD, rows), (_LEVEL_HEAD, levels), (DISTURB_HEAD, disturbs))
        return "\n".join(markdown(head, lines) for head, lines in tables if lines)


def disturbed_cells(weights: int) -> int:
    """Cells of either target that a study of so many weights looks at for what readings would switch."""
    return min(weights * _DISTURBED, _MOST_DISTURBED)


def protocols_to_compare() -> dict[str, ProgrammingProtocol]:
    """The protocols of a study, by what they are called in it."""
    return {
        "reset-set": ResetSet(),
        "pre-cycled, 10 cycles": PreCycled(10),
        "write-verify, 5 rounds": WriteVerify(5),
        "write-verify, 20 rounds, tolerance 0.02": WriteVerify(20, tolerance=0.02),
        "reset-ramp, 20 mV": ResetRamp(0.02),
        "reset-ramp, 10 mV": ResetRamp(0.01),
        "reset-ramp, 5 mV": ResetRamp(0.005),
        "ideal": Ideal(),
    }


def study_programming(
    parameters: DeviceParameters | None = None,
    *,
    weight_bits: Sequence[int] = (3, 6),
    weights: int = 1 << 16,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> ProgrammingStudy:
    """Program normally distributed weights by every protocol and in every mapping that it allows.

    Args:
        parameters: of the device; the built-in one by default.
        weight_bits: bits of a weight, sign included.
        weights: how many.
        seed: of weights, chip and programming.
        progress: called with the name of what is done next.

    Raises:
        SettingsError: fewer than two weights, which have no spread; bits that a weight cannot have; or the seed is
            not an integer from 0.
    """
    require_integer("weights", weights, 2, 1 << 24)
    require_integer("seed", seed, 0, 1 << 31)
    parameters = parameters if parameters is not None else load_parameters()
    tell = progress or (lambda name: None)
    rows, levels, disturbs = [], [], []
    for name, protocol in protocols_to_compare().items():
        tell(name)
        spreads = [_spread(protocol, on, parameters, weights, seed) for on in (True, False)]
        for mapping in ("bit-sliced", "multi-level") if protocol.analog else ("bit-sliced",):
            for bits in weight_bits:
                hardware = Hardware(weight_bits=bits, mapping=mapping, programming=protocol)
                error, report = _program_weights(hardware, parameters, weights, seed)
                rows.append(
                    ProgrammingRow(
                        protocol=name,
                        mapping=mapping,
                        weight_bits=bits,
                        on_spread=spreads[0],
                        off_spread=spreads[1],
                        weight_error=error,
                        cells=report.cells / weights,
                        pulses=report.pulses / weights,
                        energy=report.energy / weights,
                        failed=report.failed / report.cells,
                    )
                )
        if isinstance(protocol, ResetRamp):
            levels += [_level(name, protocol, target, parameters, weights, seed) for target in TARGETS]
        disturbs += disturb_rows(name, protocol, parameters, disturbed_cells(weights), seed)
    return ProgrammingStudy(tuple(rows), tuple(levels), tuple(disturbs))


def _program(
    protocol: ProgrammingProtocol, targets: Tensor, parameters: DeviceParameters, seed: int
) -> tuple[Tensor, ProgrammingReport]:
    chip, programming = (Stream.of(seed, use) for use in ("chip", "programming"))
    programmed = protocol.program(targets, parameters, chip=chip, programming=programming)
    return programmed.states, programmed.report


def _program_weights(
    hardware: Hardware, parameters: DeviceParameters, weights: int, seed: int
) -> tuple[float, ProgrammingReport]:
    """RMS error in units of the largest weight, and what it took."""
    values = torch.randn(weights, 1, generator=torch.Generator().manual_seed(seed))
    bits = hardware.weight_bits
    integers = weight_integers(values, weight_step(values, bits, "per-tensor"), bits).view(1, 1, weights)
    on, off = hardware.programming.nominal_states(parameters)
    layout = hardware.layout(*integers.shape)
    programmed = torch.zeros(integers.shape, dtype=torch.float64)
    report = ProgrammingReport()
    for plane, *targets in layout.targets(integers):
        # A full pair differs by the nominal OFF and ON state, and an ON cell has the smaller state.
        for sign, target in zip((-1, 1), targets, strict=True):
            states, took = _program(hardware.programming, target, parameters, 10 * seed + 2 * plane + (sign > 0))
            programmed += sign * layout.plane_weights[plane] * states.double() / (off - on)
            report += took
    error = programmed - integers
    return float(error.square().mean().sqrt()) / sum(layout.plane_weights), report


def _spread(protocol: ProgrammingProtocol, on: bool, parameters: DeviceParameters, cells: int, seed: int) -> float:
    states, _ = _program(protocol, torch.full((cells,), on), parameters, seed)
    return float(_currents(states, parameters).std())


def _level(
    name: str, protocol: ResetRamp, target: float, parameters: DeviceParameters, cells: int, seed: int
) -> LevelRow:
    # The ON level of a ramp is the target itself.
    to_target = replace(protocol, on=target, off=min(protocol.off, target / 2))
    states, report = _program(to_target, torch.ones(cells, dtype=torch.bool), parameters, seed)
    currents = _currents(states, parameters)
    median = float(currents.median())
    return LevelRow(
        protocol=name,
        target=target,
        median=median,
        spread=float(currents.std()),
        missed=float(((currents - median).abs() > 0.05).double().mean()),
        pulses=report.pulses / cells,
    )


def _currents(states: Tensor, parameters: DeviceParameters) -> Tensor:
    """At the full voltage of the default hardware, as shares of the current of a nominal ON cell of reset-set."""
    volts = Hardware().dac.vmax
    current = CellCurrent(parameters)
    on, _ = ResetSet().nominal_states(parameters)
    return current.of(states.double(), torch.tensor(volts, dtype=torch.float64)) / current.of(on, volts)
