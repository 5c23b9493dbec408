"""Cells under voltage: the whole life of a memristor, from a fresh array over any train of pulses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memrix._support.random import Seeds
from memrix._support.threads import go_on
from memrix._support.validation import require_choice, shown
from memrix.device import state_dicts
from memrix.device.arguments import device_of, parameters_of, ramp_voltages, require_aims, require_mask, shape_of
from memrix.device.current import NOISES, CellCurrent, Noise
from memrix.device.draws import CellStreams
from memrix.device.indexing import positions
from memrix.device.parameters import FEATURES, DeviceParameters
from memrix.device.ramp import ramp_
from memrix.device.ramp_plan import RampRecord
from memrix.device.ranges import (
    NO_BREAKDOWN,
    NOT_MEASURED,
    PULSE_RANGE,
    require_bandwidth,
    require_pulse_width,
    require_temperature,
)
from memrix.device.reach import ReadRange, WithinReach
from memrix.device.read_back import ReadBack
from memrix.device.readings import beyond, next_readings, noise_of
from memrix.device.switching import switching_of
from memrix.device.voltages import Voltages, as_voltages, per_cell, power_, pulsed
from memrix.errors import SettingsError

PULSE_WIDTH = 1e-7  # s


class Cells:
    """Cells of a measured technology under voltage pulses (Synaptogen; Hennen et al., 10.3389/fnins.2022.941753).

    A fresh cell is OFF. Every pulse may SET it, RESET it or move it part of the way; each time it leaves the ON
    state, it draws the thresholds and resistances of its next cycle, which remember those of the cycles before.

    Two things differ from the numpy package: the RESET threshold of a fresh array is a copy of the drawn feature, not
    a view that the first reset overwrites; and a partial reset leaves fresh cells as they are, where the
    package moves them along a transition that is not initialized. No voltage is no pulse.

    Args:
        shape: of the array, any number of dimensions.
        parameters: the device technology; the built-in one by default.
        order: cycles of history that count, from 1; the most that the parameters hold by default.
        seed: one number, or ``Seeds``: ``chip`` draws the devices, ``programming`` their cycles, ``read`` the noise.
            What a cell draws is a function of the seeds, of its position in the array and of the number of the draw
            (``memrix.device.draws``). ``CellStreams`` are for cells that are part of a layer.
        device: where the cells live.
        pulse_width: s, for the energy of pulses; a constant of yours, the cells' statistics do not depend on it.

    Attributes:
        r: states of the cells, float32 of ``shape``; dimensionless, 0 and 1 are the extremes of the conductance.
        pulses: voltages applied to single cells so far.
        energy: of these pulses, in J: ``U * I * width``, the current halfway between before and after the pulse, and
            held at what it is at the ends of the measured sweeps (1.5 V) beyond them, as by a compliance.
        reads: readings of single cells so far.
        disturbing_reads: those of them at a voltage that would have switched the cell.

    Raises:
        SettingsError: the shape is not one of an array; there are no parameters, or they hold no such order; torch
            has no such device; or a seed or the pulse width is invalid.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        parameters: DeviceParameters | None = None,
        *,
        order: int | None = None,
        seed: int | Seeds | CellStreams = 0,
        device: str | torch.device = "cpu",
        pulse_width: float = PULSE_WIDTH,
    ) -> None:
        require_pulse_width("pulse_width", pulse_width)
        self.shape = shape_of(shape)
        self.parameters = parameters_of(parameters)
        self.order = order if order is not None else self.parameters.order
        self.seeds = None if isinstance(seed, CellStreams) else Seeds.of(seed)
        self.streams = seed if isinstance(seed, CellStreams) else CellStreams.of_seeds(Seeds.of(seed))
        self.pulse_width = float(pulse_width)
        self.device = device_of(device)
        self._switching = switching_of(self.parameters, self.order, self.device)
        self._current = CellCurrent(self.parameters)
        self._block = self._switching.fresh_block(self.shape.numel(), self.streams, self.device)
        self._start_counting()

    @property
    def r(self) -> Tensor:
        """States of the cells."""
        return self._block.r.view(self.shape)

    def _start_counting(self) -> None:
        self.pulses, self.reads, self.disturbing_reads = 0, 0, 0
        self.power = 0  # of all pulses, in units of ``CellCurrent.power_unit``
        self._readings = torch.zeros(self.shape.numel(), dtype=torch.int64, device=self.device)  # of each cell

    @property
    def energy(self) -> float:
        """Energy of all pulses in J."""
        return self.power * self._current.power_unit * self.pulse_width

    def restart(self, *, programming: int) -> None:
        """Make the array fresh again: the same devices, other cycles. Counts begin at 0.

        Args:
            programming: seed of the cycles.

        Raises:
            SettingsError: the seed is not an integer from 0.
            SettingsError: the cells are part of a layer, which is programmed as a whole.
        """
        if self.seeds is None:
            raise SettingsError("cells of a layer have no seeds of their own; program the layer again")
        self.seeds = Seeds(self.seeds.chip, programming, self.seeds.read)
        self.streams = CellStreams.of_seeds(self.seeds)
        self._block.stream = self.streams.cycles
        self._switching.begin_(self._block)
        self._start_counting()

    @property
    def cycles(self) -> Tensor:
        """How often each cell has left the ON state: int32 of ``shape``."""
        return self._block.cycles.clone().view(self.shape)

    @property
    def features(self) -> Tensor:
        """``[4, *shape]`` of the present cycle: OFF resistance (ohm), SET voltage, ON resistance, RESET voltage."""
        features = self._block.features.clone()
        return self._switching.cycle.resistances_(features).view(len(FEATURES), *self.shape)

    @torch.no_grad()
    def apply_voltage(self, volts: Voltages, where: Tensor | None = None) -> None:
        """Apply one pulse to every cell.

        Args:
            volts: V, from -5 to 5: one voltage, or a tensor that broadcasts to ``shape``. Cells at 0 V get no pulse.
            where: bool of ``shape``: the cells that get the pulse; all by default.

        Raises:
            SettingsError: a shape does not fit, or a voltage is not a number within 5 V. No cell has been changed.
        """
        go_on()
        voltages = per_cell(volts, self.shape, self.device)
        index = pulsed(voltages, None if where is None else require_mask(where, self.shape, self.device))
        count = self._block.r.numel() if index is None else index.numel()
        if not count:
            return
        if index is not None and isinstance(voltages, Tensor):
            voltages = voltages.index_select(0, index)
        chosen: Any = ... if index is None else index
        halfway = self._block.r[chosen].clone()
        self._switching.pulse_(self._block, voltages, index)
        halfway.add_(self._block.r[chosen]).mul_(0.5)
        self.pulses += count
        self.power += power_(self._current, halfway, voltages)

    @torch.no_grad()
    def ramp(self, volts: Sequence[float], aim: Tensor, circuit: ReadBack, where: Tensor) -> Tensor:
        """Read cells, then apply rising voltages to each until it reads at or below its aim.

        The same as ``apply_voltage`` and ``read`` by turns, with as many pulses and readings and the same noise, in a
        fraction of the time: what pulses and readings cannot change is not computed.

        Args:
            volts: V, ascending and above 0.
            aim: of ``shape``, in units of the circuit.
            circuit: that reads the cells back.
            where: bool of ``shape``: the cells that are ramped.

        Returns:
            float32 of ``shape``: the last reading of every cell that was ramped, 0 of the others.

        Raises:
            SettingsError: a shape does not fit, voltages do not rise from above 0, an aim is not finite, or there is
                no circuit.
        """
        index = positions(require_mask(where, self.shape, self.device))
        volts = ramp_voltages(volts, self.parameters.full_reset_voltage)
        require_aims(aim, self.shape)
        if not isinstance(circuit, ReadBack):
            raise SettingsError(f"a ramp needs a ReadBack, the circuit that reads cells back, got {shown(circuit)}")
        if not index.numel():
            return torch.zeros(self.shape, dtype=torch.float32, device=self.device)
        aims, streams, done = aim.to(self._block.r).reshape(-1).contiguous(), self.streams, self._readings
        record = ramp_(self._switching, self._block, index, volts, aims, circuit, streams.readings, done)
        self.count(record)
        return record.readings.view(self.shape)

    def count(self, record: RampRecord) -> None:
        """Count what a ramp took."""
        self.pulses, self.reads = self.pulses + record.pulses, self.reads + record.reads
        self.disturbing_reads += record.disturbing_reads
        self.power += record.power

    def current(self, volts: Voltages) -> Tensor:
        """Mean current in A at ``volts``, which broadcast with the cells' shape: ``[200, 1]`` volts are sweeps.

        Raises:
            SettingsError: the shape does not fit, or a voltage lies beyond those at which currents were measured.
        """
        return self._current.of(self.r, self._read_voltages(volts))

    @torch.no_grad()
    def read(
        self,
        volts: Voltages,
        where: Tensor | None = None,
        *,
        noise: Noise = "physical",
        temperature: float = 300.0,
        bandwidth: float = 1e8,
    ) -> Tensor:
        """Currents in A with thermal and shot noise, drawn from the ``read`` stream; no cell changes its state.

        Readings that would have switched a cell are counted in ``disturbing_reads``.

        Args:
            volts: V, broadcast with the cells' shape: several voltages at one cell are readings one after the other.
            where: bool of ``shape``: the cells that are read, all at one voltage; the others give 0. All by default.
            noise: ``physical``, ``legacy`` or ``off``, as in ``CellCurrent.noise_variance``.
            temperature: K.
            bandwidth: Hz.

        Raises:
            SettingsError: the shape does not fit; a voltage lies beyond those at which currents were measured; or the
                noise, temperature or bandwidth is invalid.
        """
        require_choice("noise", noise, NOISES)
        require_temperature("temperature", temperature)
        require_bandwidth("bandwidth", bandwidth)
        voltages = self._read_voltages(volts)
        given = tuple(voltages.shape)
        if where is not None and given:
            raise SettingsError(f"chosen cells are read at one voltage, got voltages of shape {given}")
        chosen = None if where is None else positions(require_mask(where, self.shape, self.device))
        shape = np.broadcast_shapes(given, self.shape)
        index, reading = next_readings(self._readings, self.shape, shape, chosen)
        voltages = voltages if where is not None else voltages.expand(index.shape)
        sets, resets, r = (
            part[index] for part in (self._block.set_threshold, self._block.reset_threshold, self._block.r)
        )
        self.reads += index.numel()
        self.disturbing_reads += int(torch.count_nonzero(beyond(sets, resets, voltages)))
        currents = self._current.of(r, voltages)
        if noise != "off":
            variance = self._current.noise_variance(voltages, noise, temperature, bandwidth)
            numbers = self._block.numbers[index]
            currents += noise_of(r, variance, self.streams.readings, numbers, reading)
        if where is None:
            return currents
        return torch.zeros_like(self._block.r).scatter_(0, index, currents).view(self.shape)

    def read_back(self, circuit: ReadBack, where: Tensor) -> Tensor:
        """Readings of a circuit, float32 of ``shape``, of the cells of ``where`` (bool); the others give 0."""
        return circuit.convert(
            self.read(circuit.voltage, where, temperature=circuit.temperature, bandwidth=circuit.bandwidth)
        )

    def disturbed(self, volts: Voltages) -> Tensor:
        """Which cells a pulse of ``volts`` would switch: bool, ``volts`` broadcast with the cells' shape."""
        voltages = as_voltages(volts, self.shape, self.device, PULSE_RANGE, NO_BREAKDOWN)
        sets, resets = (part.view(self.shape) for part in (self._block.set_threshold, self._block.reset_threshold))
        return beyond(sets, resets, voltages)

    def _read_voltages(self, volts: Voltages) -> Tensor:
        return as_voltages(volts, self.shape, self.device, self.parameters.swept_voltage, NOT_MEASURED)

    def within_reach(self, reads: ReadRange) -> WithinReach:
        """The cells that a reading within a range of voltages may switch."""
        sets, resets = self._block.within_reach(reads.lowest, reads.highest)
        index = positions(sets | resets)
        chosen = self._block.chosen(index) if reads.kept else None
        return WithinReach(index, sets[index], resets[index], chosen)

    def state_dict(self) -> dict[str, Tensor]:
        """All that the cells' future depends on, as tensors: states, history, devices, seeds, counts."""
        return state_dicts.state_of(self)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state_dict`` gave, of cells of the same shape, order and kind of device.

        Raises:
            SettingsError: lists what is missing or of another shape; the cells have not been changed.
        """
        state_dicts.load_state(self, state)

    def __repr__(self) -> str:
        source = self.parameters.source
        return f"Cells(shape={tuple(self.shape)}, parameters={source!r}, order={self.order}, seed={self.seeds})"
