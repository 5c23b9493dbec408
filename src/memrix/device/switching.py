"""What a voltage pulse does to cells: SET, complete RESET, partial RESET."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from memrix._support import compilation
from memrix._support.streams import Stream
from memrix.device.block import Block
from memrix.device.current import CellCurrent
from memrix.device.draws import CellStreams, cycle_normals, device_normals
from memrix.device.elementary import power
from memrix.device.indexing import positions
from memrix.device.parameters import HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE, DeviceParameters
from memrix.device.variability import COUNT, CycleModel, DeviceModel

_SLOTS = 4  # of a history that begins: to make room takes longer, and most protocols need no more
_IN_LOW_RESISTANCE = -torch.inf
_IN_HIGH_RESISTANCE = torch.inf


class Switching:
    """The switching of cells (Hennen et al., 10.3389/fnins.2022.941753 and 10.1109/TED.2024.3427616).

    Args:
        parameters: the device technology.
        order: cycles of history that count.
        device: where tensors live.

    Raises:
        SettingsError: the parameters hold no autoregression of this order.
    """

    def __init__(self, parameters: DeviceParameters, order: int, device: torch.device) -> None:
        self.devices = DeviceModel(parameters)
        self.cycle = CycleModel(parameters, order, device)
        self.current = CellCurrent(parameters)
        self.full_reset_voltage = parameters.full_reset_voltage
        self.exponent = parameters.reset_exponent

    def fresh_block(self, count: int, streams: CellStreams, device: torch.device) -> Block:
        """So many cells as a fresh array has them."""
        numbers = streams.numbers(count, device)
        if device.type == "cpu" and compilation.AVAILABLE:
            from memrix.device.fresh_compiled import begin_block

            block = self.block(torch.empty((2 * COUNT, count), dtype=torch.float32), numbers, streams.cycles)
            begin_block(self, block, streams)
            return block
        block = self.block(self.devices.draw(*device_normals(streams.devices, numbers)), numbers, streams.cycles)
        self.begin_(block)
        return block

    def block(self, devices: Tensor, numbers: Tensor, stream: Stream) -> Block:
        """Cells that are yet to begin, of devices ``[8, cells]`` and numbers ``[cells]``."""
        count = numbers.numel()

        def empty(*shape: int) -> Tensor:
            return torch.empty(shape, dtype=torch.float32, device=numbers.device)

        return Block(
            r=empty(count),
            devices=devices,
            history=torch.zeros(
                (count, min(_SLOTS, self.cycle.order), COUNT), dtype=torch.float32, device=numbers.device
            ),
            cycles=torch.zeros(count, dtype=torch.int32, device=numbers.device),
            features=empty(COUNT, count),
            set_threshold=empty(count),
            reset_threshold=empty(count),
            transition=torch.zeros((count, 2), dtype=torch.float32, device=numbers.device),
            numbers=numbers,
            stream=stream,
        )

    def begin_(self, block: Block) -> None:
        """Bring cells to where a fresh array is: OFF, in their first cycle, without a history."""
        self._enter_first_cycle_(block)
        block.r.copy_(block.features[HRS])
        block.set_threshold.copy_(block.features[SET_VOLTAGE])
        block.reset_threshold.fill_(_IN_HIGH_RESISTANCE)

    def fresh(self, devices: Tensor, on: Tensor, numbers: Tensor, stream: Stream) -> Block:
        """Cells in their first cycle, as they are after complete reset and, where ``on`` (bool), SET.

        Args:
            devices: ``[8, cells]``: offsets and scales of the features.
            on: ``[cells]``.
            numbers: of the cells.
            stream: of their cycles.
        """
        block = self.block(devices, numbers, stream)
        self._enter_first_cycle_(block)
        torch.where(on, block.features[LRS], block.features[HRS], out=block.r)
        block.set_threshold = block.features[SET_VOLTAGE].masked_fill(on, _IN_LOW_RESISTANCE)
        block.reset_threshold = block.features[RESET_VOLTAGE].masked_fill(~on, _IN_HIGH_RESISTANCE)
        return block

    def _enter_first_cycle_(self, block: Block) -> None:
        scores = self.cycle.innovations(cycle_normals(block.stream, block.numbers, 0))
        block.history.zero_()[:, -1] = scores.t()
        block.cycles.zero_()
        block.features = self.cycle.features(block.devices, scores)

    def pulse_(self, block: Block, volts: float | Tensor, index: Tensor | None) -> None:
        """Apply one pulse of ``volts`` (one for all cells, or one each) to the cells of an index (None: all).

        No voltage must be 0, which is no pulse.

        In the order of the reference: thresholds are compared before anything switches, cells that leave the
        low-resistance state draw their next cycle, and a reset has the last word.
        """
        set_threshold, reset_threshold = block.set_threshold, block.reset_threshold
        if index is not None:
            set_threshold, reset_threshold = (t.index_select(0, index) for t in (set_threshold, reset_threshold))
        sets, resets = positions(set_threshold >= volts), positions(reset_threshold < volts)
        volts = volts.index_select(0, resets) if isinstance(volts, Tensor) else volts
        if index is not None:
            sets, resets = index.index_select(0, sets), index.index_select(0, resets)
        self.switch_(block, sets, resets, volts)

    def switch_(self, block: Block, sets: Tensor, resets: Tensor, volts: float | Tensor) -> None:
        """SET the cells of one index, RESET those of another, which lie beyond their thresholds.

        Args:
            block: the cells.
            sets: int64.
            resets: int64.
            volts: of the resets: one voltage, or one each.
        """
        leaves = block.set_threshold.index_select(0, resets) == _IN_LOW_RESISTANCE
        leaving = _of(resets, leaves)
        if sets.numel():
            block.r.scatter_(0, sets, block.features[LRS].index_select(0, sets))
            block.reset_threshold.scatter_(0, sets, block.features[RESET_VOLTAGE].index_select(0, sets))
            block.set_threshold.scatter_(0, sets, _IN_LOW_RESISTANCE)
        if leaving.numel():
            self.next_cycle_(block, leaving)
        if not resets.numel():
            return
        block.set_threshold.scatter_(0, resets, block.features[SET_VOLTAGE].index_select(0, resets))
        if isinstance(volts, Tensor):
            complete = volts >= self.full_reset_voltage
            self._reset_fully_(block, _of(resets, complete))
            self._reset_partly_(block, _of(resets, ~complete), _of(resets, leaves & ~complete), volts[~complete])
        elif volts >= self.full_reset_voltage:
            self._reset_fully_(block, resets)
        else:
            self._reset_partly_(block, resets, leaving, volts)

    def _reset_fully_(self, block: Block, index: Tensor) -> None:
        block.r.scatter_(0, index, block.features[HRS].index_select(0, index))
        block.reset_threshold.scatter_(0, index, _IN_HIGH_RESISTANCE)

    def _reset_partly_(self, block: Block, index: Tensor, leaving: Tensor, volts: float | Tensor) -> None:
        """Move cells of an index along their transition; those that leave the low-resistance state begin one."""
        if leaving.numel():
            self.begin_transition_(block, leaving)
        amplitude, floor = block.transition.index_select(0, index).unbind(1)
        block.r.scatter_(0, index, self.along_transition(amplitude, floor, volts))
        block.reset_threshold.scatter_(0, index, volts)

    def along_transition(self, amplitude: Tensor, floor: Tensor, volts: float | Tensor) -> Tensor:
        """State after a partial reset: the current at the voltage is ``a |Umax - U|^eta + c``."""
        by_amplitude, by_floor, alone = self.transition_weights(volts)
        state: Tensor = (amplitude * by_amplitude).add_(floor * by_floor).add_(alone)
        return state

    def transition_weights(self, volts: float | Tensor) -> tuple[Any, Any, Any]:
        """What the state at a voltage of a transition is: of its amplitude, of its floor, and alone."""
        at: Any = volts  # the arithmetic of one voltage is that of many
        slope = self.current.slope(at)
        left = self.full_reset_voltage - at
        shape = power(left, self.exponent) if isinstance(left, Tensor) else left**self.exponent
        return shape / slope, 1 / slope, -self.current.low_resistance(at) / slope

    def begin_transition_(self, block: Block, index: Tensor) -> None:
        """From the present current at the RESET voltage to that of the new OFF state at a full reset."""
        start, end = block.reset_threshold.index_select(0, index), self.full_reset_voltage
        upper = self.current.of(block.r.index_select(0, index), start)
        floor = block.features[HRS].index_select(0, index).mul_(self.current.slope(end))
        floor += self.current.low_resistance(end)
        amplitude = (upper - floor).div_(power((end - start).abs_(), self.exponent))
        block.transition.scatter_(0, index[:, None].expand(-1, 2), torch.stack([amplitude, floor], dim=1))

    def next_cycle_(self, block: Block, index: Tensor) -> None:
        """Let the cells of an index enter their next cycle."""
        if not index.numel():
            return
        cycles = block.cycles.index_select(0, index) + 1
        self.make_room_(block, int(cycles.max()))
        if block.r.device.type == "cpu" and compilation.AVAILABLE:
            from memrix.device.fresh_compiled import next_cycle

            next_cycle(self, block, index)
            return
        block.cycles.scatter_(0, index, cycles)
        normals = cycle_normals(block.stream, block.numbers.index_select(0, index), cycles)
        history = block.history.index_select(0, index)
        scores = self.cycle.next_scores(history, normals)
        features = self.cycle.features(block.devices.index_select(1, index), scores)
        block.features.scatter_(1, index.expand(COUNT, -1), features)
        block.history.index_copy_(0, index, torch.cat([history[:, 1:], scores.t()[:, None]], dim=1))

    def make_room_(self, block: Block, cycle: int) -> None:
        """Make room for what cells in a cycle of this number are to remember."""
        slots, needed = block.history.shape[1], min(self.cycle.order, cycle + 1)
        if needed > slots:
            slots = min(self.cycle.order, max(needed, 2 * slots))  # to make room a few times only
            block.history = torch.nn.functional.pad(block.history, (0, 0, slots - block.history.shape[1], 0))


def _of(index: Tensor, chosen: Tensor) -> Tensor:
    """The elements of an index that a mask chooses."""
    return index.index_select(0, positions(chosen))


def switching_of(parameters: DeviceParameters, order: int, device: torch.device) -> Switching:
    """The switching of a technology, made once.

    Raises:
        SettingsError: the parameters hold no autoregression of this order.
    """
    parameters.autoregression(order)
    return _made(parameters, order, device)


@functools.lru_cache(maxsize=16)
def _made(parameters: DeviceParameters, order: int, device: torch.device) -> Switching:
    return Switching(parameters, order, device)
