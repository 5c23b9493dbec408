"""What a voltage pulse does to cells: SET, complete RESET, partial RESET."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from memrix.device.block import Block
from memrix.device.current import CellCurrent
from memrix.device.indexing import positions
from memrix.device.parameters import HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE, DeviceParameters
from memrix.device.variability import COUNT, CycleModel

# Cycles that are drawn at a time, at most: a power of 2.
FARTHEST = 8
_AT_A_TIME = 1 << 12  # cells whose history is fetched together: it fits the cache
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
        self.cycle = CycleModel(parameters, order, device)
        self.current = CellCurrent(parameters)
        self.full_reset_voltage = parameters.full_reset_voltage
        self.exponent = parameters.reset_exponent

    def block(self, r: Tensor) -> Block:
        """Cells that keep their states in ``r``; devices are to be given to them before they begin."""
        count, device = r.numel(), r.device

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float32, device=device)

        return Block(
            r=r,
            devices=zeros(2 * COUNT, count),
            history=zeros(count, 1, COUNT),
            ahead=zeros(count, 1, COUNT),
            left=torch.zeros(count, dtype=torch.int64, device=device),
            cycles=torch.zeros(count, dtype=torch.int32, device=device),
            features=zeros(COUNT, count),
            set_threshold=zeros(count),
            reset_threshold=zeros(count),
            transition=zeros(count, 2),
            normals=lambda index: zeros(COUNT, index.numel()),
        )

    def begin_(self, block: Block, normals: Callable[[Tensor], Tensor]) -> None:
        """Bring cells to where a fresh array is: OFF, in their first cycle, without a history."""
        block.normals = normals
        everyone = torch.arange(block.r.numel(), device=block.r.device)
        scores = self.cycle.innovations(block.normals(everyone))
        block.history = torch.zeros((block.r.numel(), 1, COUNT), dtype=torch.float32, device=block.r.device)
        block.history[:, 0] = scores.t()
        block.cycles.zero_()
        block.left.zero_()
        block.ahead = torch.zeros((block.r.numel(), 1, COUNT), dtype=torch.float32, device=block.r.device)
        block.features = self.cycle.features(block.devices, scores)
        block.r.copy_(block.features[HRS])
        block.set_threshold = block.features[SET_VOLTAGE].clone()
        block.reset_threshold.fill_(_IN_HIGH_RESISTANCE)

    def fresh(self, devices: Tensor, scores: Tensor, on: Tensor) -> Block:
        """Cells in their first cycle, as they are after complete reset and, where ``on`` (bool), SET.

        Args:
            devices: ``[8, cells]``: offsets and scales of the features.
            scores: ``[4, cells]`` of the cycle.
            on: ``[cells]``.
        """
        block = self.block(torch.empty_like(on, dtype=torch.float32))
        block.devices = devices
        block.history[:, 0] = scores.t()
        block.features = self.cycle.features(devices, scores)
        torch.where(on, block.features[LRS], block.features[HRS], out=block.r)
        block.set_threshold = block.features[SET_VOLTAGE].masked_fill(on, _IN_LOW_RESISTANCE)
        block.reset_threshold = block.features[RESET_VOLTAGE].masked_fill(~on, _IN_HIGH_RESISTANCE)
        return block

    def pulse_(self, block: Block, volts: float | Tensor, where: Tensor | None) -> None:
        """Apply one pulse of ``volts`` (one for all cells, or one each) to the cells of ``where`` (None: all).

        No voltage must be 0, which is no pulse, but those of cells outside ``where``.

        In the order of the reference: thresholds are compared before anything switches, cells that leave the
        low-resistance state draw their next cycle, and a reset has the last word.
        """
        sets, resets = block.set_threshold >= volts, block.reset_threshold < volts
        if where is not None:
            sets &= where
            resets &= where
        sets, resets = positions(sets), positions(resets)
        self.switch_(block, sets, resets, volts.index_select(0, resets) if isinstance(volts, Tensor) else volts)

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
        at: Any = volts  # the arithmetic of one voltage is that of many
        current: Tensor = amplitude * (self.full_reset_voltage - at) ** self.exponent + floor
        return current.sub_(self.current.low_resistance(at)).div_(self.current.slope(at))

    def begin_transition_(self, block: Block, index: Tensor) -> None:
        """From the present current at the RESET voltage to that of the new OFF state at a full reset."""
        start, end = block.reset_threshold.index_select(0, index), self.full_reset_voltage
        upper = self.current.of(block.r.index_select(0, index), start)
        floor = block.features[HRS].index_select(0, index).mul_(self.current.slope(end))
        floor += self.current.low_resistance(end)
        amplitude = (upper - floor).div_((end - start).abs_().pow_(self.exponent))
        block.transition.scatter_(0, index[:, None].expand(-1, 2), torch.stack([amplitude, floor], dim=1))

    def next_cycle_(self, block: Block, index: Tensor) -> None:
        """Let the cells of an index enter their next cycle."""
        cycles = block.cycles.index_select(0, index) + 1
        block.cycles.scatter_(0, index, cycles)
        left = block.left.index_select(0, index)
        exhausted = left == 0
        if bool(exhausted.any()):
            self._make_room_(block, int(cycles.max()))
            for part in torch.split(_of(index, exhausted), _AT_A_TIME):
                self._draw_ahead_(block, part)
            left = block.left.index_select(0, index)
        depth = block.ahead.shape[1]
        features = block.ahead.view(-1, COUNT).index_select(0, (index + 1) * depth - left)
        block.features.scatter_(1, index.expand(COUNT, -1), features.t())
        block.left.scatter_(0, index, left - 1)

    def _draw_ahead_(self, block: Block, index: Tensor) -> None:
        """Draw the coming cycles of the cells of an index.

        Fetching the history of scattered cells takes longer than all that is done with it. What cells will draw does
        not depend on the pulses to come: those that have drawn often draw several cycles at a time.
        """
        depth, slots = block.ahead.shape[1], block.history.shape[1]
        devices = block.devices.index_select(1, index)
        history = block.history.index_select(0, index).flatten(1)
        normals = torch.cat([block.normals(index) for _ in range(depth)])
        scores = self.cycle.next_scores(history, normals)
        features = self.cycle.features(devices, scores.view(depth, COUNT, -1))
        block.ahead.index_copy_(0, index, features.permute(2, 0, 1))
        kept = max(0, slots - depth)
        latest = torch.cat(
            [history[:, (slots - kept) * COUNT :], scores[(depth + kept - slots) * COUNT :].t()], dim=1
        )
        block.history.index_copy_(0, index, latest.view(-1, slots, COUNT))
        block.left.scatter_(0, index, depth)

    def _make_room_(self, block: Block, cycle: int) -> None:
        """Make room for the cycles that cells at a cycle of this number are to draw ahead and to remember."""
        depth, slots = block.ahead.shape[1], block.history.shape[1]
        if cycle > depth and depth < FARTHEST:
            block.ahead = torch.nn.functional.pad(block.ahead, (0, 0, depth, 0))
            depth *= 2
        needed = min(self.cycle.order, cycle + depth)
        if needed > slots:
            block.history = torch.nn.functional.pad(block.history, (0, 0, needed - slots, 0))


def _of(index: Tensor, chosen: Tensor) -> Tensor:
    """The elements of an index that a mask chooses."""
    return index.index_select(0, positions(chosen))
