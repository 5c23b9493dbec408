"""Cells under voltage: the whole life of a memristor, from a fresh array over any train of pulses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from memrix._support.random import RandomStream, Seeds, derive, fill_normal_, seeds_from
from memrix._support.threads import go_on, side_by_side
from memrix._support.validation import require_choice, shown
from memrix.device.arguments import described, device_of, parameters_of, ramp_voltages, require_aims, shape_of
from memrix.device.block import BLOCK_AXES, Block
from memrix.device.current import NOISES, CellCurrent, Noise
from memrix.device.indexing import positions
from memrix.device.parameters import FEATURES, DeviceParameters
from memrix.device.ramp import Ramp, RampRecord, ReadBackCircuit
from memrix.device.ranges import (
    NO_BREAKDOWN,
    NOT_MEASURED,
    PULSE_RANGE,
    require_bandwidth,
    require_pulse_width,
    require_temperature,
)
from memrix.device.reach import ReadRange, WithinReach
from memrix.device.switching import FARTHEST, Switching
from memrix.device.variability import draw_devices
from memrix.device.voltages import Voltages, as_voltages, per_cell, power_, reached
from memrix.errors import SettingsError

# Part of what a seed means: another block length would draw other cells. On a CPU an operation on a block is long
# enough for several threads to share it.
BLOCK = 1 << 19
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
        seed: int | Seeds = 0,
        device: str | torch.device = "cpu",
        pulse_width: float = PULSE_WIDTH,
    ) -> None:
        require_pulse_width("pulse_width", pulse_width)
        self.shape = shape_of(shape)
        self.parameters = parameters_of(parameters)
        self.order = order if order is not None else self.parameters.order
        self.seeds = Seeds.of(seed)
        self.pulse_width = float(pulse_width)
        self.device = device_of(device)
        self.r = torch.empty(self.shape, dtype=torch.float32, device=self.device)
        self._switching = Switching(self.parameters, self.order, self.device)
        self._current = CellCurrent(self.parameters)
        self._lengths = _lengths(self.r.numel(), self.device)
        self._streams: list[torch.Generator] = []
        self._blocks: list[Block] = []
        self._draw_devices()
        self.restart(programming=self.seeds.programming)

    def _draw_devices(self) -> None:
        states = torch.split(self.r.view(-1), self._lengths)
        self._blocks = [self._switching.block(r) for r in states]

        def draw(block: Block, stream: torch.Generator) -> None:
            block.devices = draw_devices(self.parameters, block.r.numel(), stream)

        side_by_side(draw, self._blocks, self._generators(self.seeds.chip, "chip"), device=self.device)

    def restart(self, *, programming: int) -> None:
        """Make the array fresh again: the same devices, other cycles. Counts begin at 0.

        Args:
            programming: seed of the cycles.

        Raises:
            SettingsError: the seed is not an integer from 0.
        """
        self.seeds = Seeds(self.seeds.chip, programming, self.seeds.read)
        self.pulses, self.energy, self.reads, self.disturbing_reads = 0, 0.0, 0, 0
        self._streams = self._generators(programming, "programming")
        self._read_stream = RandomStream(derive(self.seeds.read, "read"))
        normals = [_Normals(stream) for stream in self._streams]
        side_by_side(self._switching.begin_, self._blocks, normals, device=self.device)

    def _generators(self, seed: int, use: str) -> list[torch.Generator]:
        first = torch.Generator(self.device).manual_seed(derive(seed, use))
        return [torch.Generator(self.device).manual_seed(s) for s in seeds_from(first, len(self._lengths))]

    @property
    def cycles(self) -> Tensor:
        """How often each cell has left the ON state: int32 of ``shape``."""
        return torch.cat([block.cycles for block in self._blocks]).view(self.shape)

    @property
    def features(self) -> Tensor:
        """``[4, *shape]`` of the present cycle: OFF resistance (ohm), SET voltage, ON resistance, RESET voltage."""
        features = torch.cat([block.features for block in self._blocks], dim=1)
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
        voltages = self._for_blocks(volts)
        masks: Sequence[Tensor | None] = [None] * len(self._blocks)
        if where is not None:
            masks = torch.split(self._require_mask(where).reshape(-1), self._lengths)
        for block, volt, mask in zip(self._blocks, voltages, masks, strict=True):
            count, pulsed = reached(block.r.numel(), volt, mask)
            if not count:
                continue
            before = block.r.clone()
            self._switching.pulse_(block, volt, pulsed)
            halfway = before.add_(block.r).mul_(0.5)
            self.pulses += count
            self.energy += self.pulse_width * power_(self._current, halfway, volt, pulsed, count)

    @torch.no_grad()
    def ramp(self, volts: Sequence[float], aim: Tensor, circuit: ReadBackCircuit, where: Tensor) -> Tensor:
        """Read cells, then apply rising voltages to each until it reads at or below its aim.

        The same as ``apply_voltage`` and ``read`` by turns, and as many pulses and readings, in a fraction of the
        time: the noise of a reading is drawn only where it could decide.

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
        masks = torch.split(self._require_mask(where).reshape(-1), self._lengths)
        volts = ramp_voltages(volts, self.parameters.full_reset_voltage)
        require_aims(aim, self.shape)
        if not isinstance(circuit, ReadBackCircuit):
            raise SettingsError(f"a ramp needs a circuit that reads cells back, got {shown(circuit)}")
        readings = torch.zeros_like(self.r)
        seeds = seeds_from(self._read_stream.on(self.device), len(self._blocks))
        records: list[RampRecord | None] = [None] * len(self._blocks)

        def ramp(number: int, block: Block, aim: Tensor, mask: Tensor, seed: int, readings: Tensor) -> None:
            stream = torch.Generator(self.device).manual_seed(seed)
            index = positions(mask)
            if index.numel():
                normals = _normal_numbers(stream)
                record = Ramp(self._switching, block, index, volts, aim[index], circuit, normals).run()
                readings[index] = record.readings
                records[number] = record

        side_by_side(
            ramp,
            range(len(self._blocks)),
            self._blocks,
            torch.split(aim.to(self.r).reshape(-1), self._lengths),
            masks,
            seeds,
            torch.split(readings.view(-1), self._lengths),
            device=self.device,
        )
        for record in records:
            if record is not None:
                self.pulses += record.pulses
                self.reads += record.reads
                self.energy += record.power * self.pulse_width
                self.disturbing_reads += record.disturbing_reads
        return readings

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
            volts: V, broadcast with the cells' shape.
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
        if where is None:
            disturbed = self._disturbed(voltages)
            self.reads += disturbed.numel()
            self.disturbing_reads += int(disturbed.sum())
            return self._noisy(self.r, voltages, noise, temperature, bandwidth)
        if voltages.dim():
            raise SettingsError(
                f"chosen cells are read at one voltage, got voltages of shape {tuple(voltages.shape)}"
            )
        index = positions(self._require_mask(where).reshape(-1))
        sets, resets = (threshold.index_select(0, index) for threshold in self._thresholds())
        self.reads += index.numel()
        self.disturbing_reads += int(torch.count_nonzero(_beyond(sets, resets, voltages)))
        currents = self._noisy(self.r.view(-1).index_select(0, index), voltages, noise, temperature, bandwidth)
        return torch.zeros_like(self.r).view(-1).scatter_(0, index, currents).view(self.shape)

    def _noisy(self, r: Tensor, voltages: Tensor, noise: Noise, temperature: float, bandwidth: float) -> Tensor:
        current = self._current.of(r, voltages)
        if noise == "off":
            return current
        offset, slope = self._current.noise_variance(voltages, noise, temperature, bandwidth)
        normals = torch.empty(current.shape, dtype=current.dtype, device=current.device)
        fill_normal_(normals, self._read_stream.on(self.device))
        return current.addcmul_(normals, torch.addcmul(offset, slope, r).clamp_(min=0).sqrt_())

    def disturbed(self, volts: Voltages) -> Tensor:
        """Which cells a pulse of ``volts`` would switch: bool, ``volts`` broadcast with the cells' shape."""
        return self._disturbed(as_voltages(volts, self.shape, self.device, PULSE_RANGE, NO_BREAKDOWN))

    def _read_voltages(self, volts: Voltages) -> Tensor:
        return as_voltages(volts, self.shape, self.device, self.parameters.swept_voltage, NOT_MEASURED)

    def within_reach(self, reads: ReadRange) -> WithinReach:
        """The cells that a reading within a range of voltages may switch."""
        parts = []
        for block in self._blocks:
            sets, resets = block.within_reach(reads.lowest, reads.highest)
            index = positions(sets | resets)
            chosen = block.chosen(index) if reads.kept else None
            parts.append(WithinReach(index, sets[index], resets[index], chosen))
        return WithinReach.joined(parts, self._lengths)

    def _disturbed(self, voltages: Tensor) -> Tensor:
        sets, resets = self._thresholds()
        return _beyond(sets.view(self.shape), resets.view(self.shape), voltages)

    def _thresholds(self) -> tuple[Tensor, Tensor]:
        sets = torch.cat([block.set_threshold for block in self._blocks])
        return sets, torch.cat([block.reset_threshold for block in self._blocks])

    def state_dict(self) -> dict[str, Tensor]:
        """All that the cells' future depends on, as tensors: states, history, devices, streams, counts."""
        state = {
            name: torch.cat([self._padded(block, name) for block in self._blocks], dim=dimension)
            for name, dimension in BLOCK_AXES.items()
        }
        state["r"] = self.r.clone()
        # How far each block looks ahead and back decides how it goes on drawing.
        state["room"] = torch.tensor([[block.ahead.shape[1], block.history.shape[1]] for block in self._blocks])
        counts = [self.pulses, self.energy, self.reads, self.disturbing_reads]
        state["counts"] = torch.tensor(counts, dtype=torch.float64)
        state["seeds"] = torch.tensor([self.seeds.chip, self.seeds.programming, self.seeds.read])
        state["programming_streams"] = torch.stack([stream.get_state() for stream in self._streams])
        state["read_stream"] = self._read_stream.on(self.device).get_state()
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state_dict`` gave, of cells of the same shape, order and kind of device.

        Raises:
            SettingsError: lists what is missing or of another shape; the cells have not been changed.
        """
        own = self.state_dict()
        if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
            raise SettingsError(
                f"the state of cells is a dict of tensors, as state_dict() gives it, got {shown(state)}"
            )
        problems = [f"{name} is missing" for name in own if name not in state]
        problems += [f"{name} is not part of cells" for name in state if name not in own]
        problems += [
            f"{name} has shape {tuple(state[name].shape)}, expected {tuple(own[name].shape)}"
            for name in own
            if name in state and state[name].shape != own[name].shape
        ]
        problems += [
            f"{name} is of type {state[name].dtype}, expected {own[name].dtype}"
            for name in own
            if name in state and state[name].dtype != own[name].dtype
        ]
        if problems:
            raise SettingsError(
                f"this state is not one of cells of shape {tuple(self.shape)}, order {self.order}, on "
                f"{self.device.type}:\n  " + "\n  ".join(problems)
            )
        # What can still be wrong is found out before anything is taken over.
        try:
            seeds = Seeds(*(int(seed) for seed in state["seeds"]))
            for saved in (*state["programming_streams"].cpu(), state["read_stream"].cpu()):
                torch.Generator(self.device).set_state(saved.clone())
        except (SettingsError, RuntimeError) as error:
            raise SettingsError(f"this state has no valid seeds or streams: {error}") from error
        self.r.copy_(state["r"])
        pulses, self.energy, reads, disturbing_reads = state["counts"].tolist()
        self.pulses, self.reads, self.disturbing_reads = int(pulses), int(reads), int(disturbing_reads)
        self.seeds = seeds
        self._read_stream = RandomStream(derive(self.seeds.read, "read"))
        self._read_stream.on(self.device).set_state(state["read_stream"].cpu().clone())
        for stream, saved in zip(self._streams, state["programming_streams"].cpu(), strict=True):
            stream.set_state(saved.clone())  # torch takes no view for a state
        for name, dimension in BLOCK_AXES.items():
            parts = torch.split(state[name].to(self.device), self._lengths, dimension)
            for block, part in zip(self._blocks, parts, strict=True):
                setattr(block, name, part.contiguous().clone())
        for block, (ahead, slots) in zip(self._blocks, state["room"].tolist(), strict=True):
            block.ahead = block.ahead[:, block.ahead.shape[1] - ahead :].contiguous()
            block.history = block.history[:, self.order - slots :].contiguous()

    def _padded(self, block: Block, name: str) -> Tensor:
        value: Tensor = getattr(block, name)
        if name == "history":
            # Young cells carry no slots that they have not filled.
            value = torch.nn.functional.pad(value, (0, 0, self.order - value.shape[1], 0))
        if name == "ahead":
            value = torch.nn.functional.pad(value, (0, 0, FARTHEST - value.shape[1], 0))
        return value

    def _require_mask(self, where: Tensor) -> Tensor:
        if not isinstance(where, Tensor) or where.shape != self.shape or where.dtype != torch.bool:
            raise SettingsError(
                f"'where' must be a bool tensor of the cells' shape {tuple(self.shape)}, got {described(where)}"
            )
        return where.to(self.device)

    def _for_blocks(self, volts: Voltages) -> Sequence[float | Tensor]:
        voltages = per_cell(volts, self.shape, self.device)
        if isinstance(voltages, float):
            return [voltages] * len(self._blocks)
        return torch.split(voltages, self._lengths)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        # A pickle does not know that blocks keep their states in those of the array.
        for block, states in zip(self._blocks, torch.split(self.r.view(-1), self._lengths), strict=True):
            block.r = states

    def __repr__(self) -> str:
        source = self.parameters.source
        return f"Cells(shape={tuple(self.shape)}, parameters={source!r}, order={self.order}, seed={self.seeds})"


def _lengths(count: int, device: torch.device) -> list[int]:
    """Cells in each block: many small ones in a CPU's cache, one large one on a device that prefers it."""
    block = BLOCK if device.type == "cpu" else max(count, 1)
    whole, rest = divmod(count, block)
    return [block] * whole + ([rest] if rest or not whole else [])


def _normal_numbers(stream: torch.Generator) -> Callable[[int], Tensor]:
    return lambda count: torch.randn(count, generator=stream, dtype=torch.float32, device=stream.device)


class _Normals:
    """Draws the normal numbers of cycles; copied and pickled with its stream."""

    def __init__(self, stream: torch.Generator) -> None:
        self.stream = stream

    def __call__(self, index: Tensor) -> Tensor:
        shape = len(FEATURES), index.numel()
        return torch.randn(shape, generator=self.stream, dtype=torch.float32, device=self.stream.device)


def _beyond(sets: Tensor, resets: Tensor, voltages: Tensor) -> Tensor:
    """Whether voltages lie beyond a threshold; none at all disturbs nothing."""
    return ((sets >= voltages) | (resets < voltages)) & (voltages != 0)
