"""A ramp of reset pulses with readings in between: all that its cells have in common."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memrix._support.streams import normal_table
from memrix.device.parameters import Array
from memrix.device.read_back import ReadBack
from memrix.device.switching import Switching

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_SEGMENTS = 256  # of a curve, each replaced by its chord
_OFF_STATES = 0.3, 1.1  # states of cells whose currents can be known to fall; of others every step is looked at
_ROUNDING = 1e-5  # of a reading: several times what float32 arithmetic is off by


@dataclass(frozen=True)
class RampRecord:
    """What a ramp took.

    Attributes:
        readings: ``[cells]``, the last one of every cell that was ramped, in units of the circuit; 0 of the others.
        pulses: voltages applied to single cells.
        power: sum of ``U * I`` over them, in units of ``CellCurrent.power_unit``.
        reads: readings of single cells.
        disturbing_reads: those of them beyond a threshold of the cell.
    """

    readings: Tensor
    pulses: int
    power: int
    reads: int
    disturbing_reads: int


class Circuit(NamedTuple):
    """Numbers of the circuit that reads cells back, all of them float32.

    Attributes:
        low: current in A of the low-resistance extreme at the test voltage.
        slope: change of the current with the state.
        variance: in A², of one reading of the low-resistance extreme.
        variance_slope: change of the variance with the state.
        codes_per_ampere: of the converter.
        largest_code: of the converter.
        step: reading of one code.
        reading_low: mean reading of the low-resistance extreme.
        reading_slope: change of the mean reading with the state.
    """

    low: float
    slope: float
    variance: float
    variance_slope: float
    codes_per_ampere: float
    largest_code: float
    step: float
    reading_low: float
    reading_slope: float


class Steps(NamedTuple):
    """Numbers of the steps of a ramp, ``[steps]``; sums are those over the steps before, ``[steps + 1]``.

    A cell whose amplitude lies above a convex function of its floor has a current that falls at every step. The
    function is tabulated: its chords lie above it.

    Attributes:
        volts: V, ``[2 * steps]``: infinite after the last.
        states: ``[3, steps]``: the state after a step, of the amplitude of a transition, of its floor, and alone.
        low_sums: of ``U * I_LL(U)``, in W.
        slope_sums: of ``w = U * d(U)``: the change of the power with the state.
        after_sums: ``[3, steps + 1]`` of ``w`` times the states after each step, in W.
        before_sums: the same of the states before, where the step before has moved the cell.
        weights: ``w``.
        readings: ``[3, 2 * steps]``: the mean reading after a step, from the same three; none is left after the last.
        falling: ``[segments + 1]``: amplitudes above which currents fall, at equally distant floors.
        floors: the first of these, and segments per ampere.
    """

    volts: Floats
    states: Floats
    low_sums: Doubles
    slope_sums: Doubles
    after_sums: Doubles
    before_sums: Doubles
    weights: Doubles
    readings: Floats
    falling: Floats
    floors: Floats


class Limits(NamedTuple):
    """What decides where a ramp ends, and what its pulses and readings count as, for kernels.

    Attributes:
        largest: of all readings of the circuit.
        voltage: of the test, in V.
        tolerance: of the last reading of a cell.
        disturbing: steps below the voltage of the test.
        top: the largest power of 2 that is not above the number of steps.
        per_unit: units of power in 1 W.
    """

    largest: np.float32
    voltage: np.float32
    tolerance: np.float32
    disturbing: int
    top: int
    per_unit: float


class RampPlan:
    """What the steps of a ramp do to cells, and what a reading tells of them.

    The state of a cell that has left the low-resistance state is, at every step, an affine function of the amplitude
    and the floor of its transition, with coefficients that all cells share.

    Args:
        switching: of the technology.
        volts: V, ascending and above 0.
        circuit: reads the cells back after every pulse.
    """

    def __init__(self, switching: Switching, volts: Sequence[float], circuit: ReadBack) -> None:
        self.circuit = _circuit(switching, circuit)
        self.steps = _steps(switching, volts, self.circuit)
        self.per_power_unit = 1 / switching.current.power_unit
        # Readings below this voltage cannot have switched a cell that has moved.
        self.disturbing = int(np.count_nonzero(self.steps.volts < np.float32(circuit.voltage)))
        self.voltage = circuit.voltage
        # The variance of a reading in units of the circuit, over the mean reading: at most a + b * reading.
        low, slope, variance, variance_slope = self.circuit[:4]
        by_reading = max(0.0, variance_slope / slope / circuit.unit)
        alone = max(0.0, variance / circuit.unit**2 - variance_slope / slope * low / circuit.unit**2)
        largest = float(normal_table(torch.device("cpu")).max()) ** 2
        self.spread_alone, self.spread_by_reading = largest * alone, largest * by_reading
        self.half_code = 0.5 * circuit.step + _ROUNDING
        self.largest_reading = float(np.float32(self.circuit.largest_code) * np.float32(self.circuit.step))

    @property
    def compiled_circuit(self) -> Circuit:
        """The circuit as kernels take it, whose arithmetic follows the types of its numbers."""
        numbers: list[Any] = [np.float32(number) for number in self.circuit]
        return Circuit(*numbers)

    @property
    def top(self) -> int:
        """The largest power of 2 that is not above the number of steps."""
        return 1 << (len(self.steps.weights).bit_length() - 1)

    def limits(self, tolerance: float) -> Limits:
        """As kernels take them; ``tolerance``: of last readings, in units of the circuit."""
        return Limits(
            largest=np.float32(self.largest_reading),
            voltage=np.float32(self.voltage),
            tolerance=np.float32(tolerance),
            disturbing=self.disturbing,
            top=self.top,
            per_unit=self.per_power_unit,
        )

    def margins(self, aim: Tensor) -> Tensor:
        """How far above or below an aim a mean reading decides by itself: no noise that is drawn reaches as far.

        The noise is at most ``z`` standard deviations, ``z**2 * (a + b * reading)`` squared, and a code rounds by
        half a step: the margin ``x`` solves ``(x - half)**2 = z**2 (a + b (aim + x))``.
        """
        p = 2 * self.half_code + self.spread_by_reading
        alone = self.spread_alone + self.spread_by_reading * aim.clamp(0, self.largest_reading)
        return (alone.add_(-(self.half_code**2)).mul_(4).add_(p * p).clamp_(min=0).sqrt_().add_(p)).mul_(0.5)


def _circuit(switching: Switching, circuit: ReadBack) -> Circuit:
    current = switching.current
    # As ``Cells.read`` computes them, so that both give the same bits.
    volts = torch.tensor(circuit.voltage, dtype=torch.float32)
    low, slope = current.low_resistance(volts), current.slope(volts)
    variance = current.noise_variance(volts, "physical", circuit.temperature, circuit.bandwidth)
    numbers = [float(value) for value in (low, slope, *variance)]
    converter = [circuit.codes_per_ampere, circuit.largest_code, circuit.step]
    means = [numbers[0] / circuit.unit, numbers[1] / circuit.unit]
    return Circuit(*(float(np.float32(number)) for number in (*numbers, *converter, *means)))


def _steps(switching: Switching, volts: Sequence[float], circuit: Circuit) -> Steps:
    current = switching.current
    u = np.asarray(volts, dtype=np.float64)
    # Voltage by voltage, as single pulses compute them.
    states = np.array([switching.transition_weights(volt) for volt in volts]).T
    low, weights = u * current.low_resistance(u), u * current.slope(u)
    before = np.pad(states[:, :-1], ((0, 0), (1, 0)))
    readings = states * circuit.reading_slope
    readings[2] += circuit.reading_low
    # Past the last step any aim counts as reached: a search that looks there comes to its end.
    beyond = np.repeat([[0.0], [0.0], [-np.inf]], len(u), axis=1)
    full = switching.full_reset_voltage
    off = np.linspace(*_OFF_STATES, _SEGMENTS + 1)
    floors = np.sort(current.low_resistance(full) + off * current.slope(full))
    falling = _falling(readings, floors)
    return Steps(
        volts=np.concatenate([u, np.full(len(u), np.inf)]).astype(np.float32),
        states=states.astype(np.float32),
        low_sums=_sums(low),
        slope_sums=_sums(weights),
        after_sums=_sums(weights * states),
        before_sums=_sums(weights * before),
        weights=weights,
        readings=np.concatenate([readings, beyond], axis=1).astype(np.float32),
        falling=falling.astype(np.float32),
        floors=np.array([floors[0], _SEGMENTS / (floors[-1] - floors[0])], dtype=np.float32),
    )


def _falling(readings: Doubles, floors: Doubles) -> Doubles:
    """Amplitudes above which readings ``[3, steps]`` fall all along, at each floor; infinity where none is enough."""
    by_amplitude, by_floor, alone = np.diff(readings, axis=1)
    if not np.all(by_amplitude < 0):
        return np.full(floors.shape, np.inf)
    needed = (by_floor * floors[:, None] + alone) / -by_amplitude  # [floors, steps - 1]
    largest: Doubles = needed.max(axis=1, initial=-np.inf)
    return largest


def _sums(values: Array) -> Doubles:
    """Sums over the last axis of all values before each, and of all."""
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)


@functools.lru_cache(maxsize=16)
def plan_of(switching: Switching, volts: tuple[float, ...], circuit: ReadBack) -> RampPlan:
    """The plan of a ramp, made once."""
    return RampPlan(switching, volts, circuit)
