"""Pulses of one voltage as machine code of a CPU: as in ``switching``."""

from __future__ import annotations

import numpy as np

from memrix._support.compilation import part_of_compiled
from memrix.device.cell_kernels import Keys
from memrix.device.cell_numbers import BlockArrays, Integers, Pulse, Technology
from memrix.device.cycle_kernels import begin_transitions, next_cycles
from memrix.device.parameters import HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE
from memrix.device.ramp_lanes import Lanes

_HALF = np.float32(0.5)
_ZERO = np.float32(0)


@part_of_compiled
def apply_pulse(
    block: BlockArrays, technology: Technology, pulse: Pulse, cells: Integers, keys: Keys, lanes: Lanes
) -> int:
    """Apply a pulse to cells of a block, no more than lanes; returns its power in units."""
    if pulse.volts == _ZERO:
        return 0
    resets, leaves = set_cells(block, pulse, cells, lanes)
    if leaves:
        next_cycles(block, technology, lanes.leaving[:leaves], keys)
        if not pulse.complete:
            begin_transitions(block, technology, lanes.leaving[:leaves])
    reset_cells(block, pulse, cells, lanes, resets)
    return power_of_pulse(block, pulse, cells, lanes)


@part_of_compiled
def set_cells(block: BlockArrays, pulse: Pulse, cells: Integers, lanes: Lanes) -> tuple[int, int]:
    """SET cells; returns how many the pulse is to reset, the first of ``moving``, and how many of these leave ON."""
    r, set_threshold, reset_threshold, features = block.r, block.set_threshold, block.reset_threshold, block.features
    before, moving, leaving = lanes.before, lanes.moving, lanes.leaving
    resets, leaves = 0, 0
    # Thresholds are compared before anything switches.
    for i in range(cells.size):
        cell = cells[i]
        before[i] = r[cell]
        moving[resets], leaving[leaves] = i, cell
        reset = reset_threshold[cell] < pulse.volts
        resets += reset
        leaves += reset & (set_threshold[cell] == -np.inf)
        if set_threshold[cell] >= pulse.volts:
            r[cell] = features[LRS, cell]
            reset_threshold[cell] = features[RESET_VOLTAGE, cell]
            set_threshold[cell] = -np.inf
    return resets, leaves


@part_of_compiled
def reset_cells(block: BlockArrays, pulse: Pulse, cells: Integers, lanes: Lanes, resets: int) -> None:
    """Reset the first of the moving lanes."""
    r, features, transition = block.r, block.features, block.transition
    set_threshold, reset_threshold, moving = block.set_threshold, block.reset_threshold, lanes.moving
    for k in range(resets):
        cell = cells[moving[k]]
        set_threshold[cell] = features[SET_VOLTAGE, cell]
        if pulse.complete:
            r[cell], reset_threshold[cell] = features[HRS, cell], np.inf
        else:
            moved = transition[cell, 0] * pulse.by_amplitude + transition[cell, 1] * pulse.by_floor
            r[cell], reset_threshold[cell] = moved + pulse.alone, pulse.volts


@part_of_compiled
def power_of_pulse(block: BlockArrays, pulse: Pulse, cells: Integers, lanes: Lanes) -> int:
    """Power of a pulse, in units: the current halfway between before and after; as ``voltages.power_``."""
    r, before, halfway, power = block.r, lanes.before, lanes.values, 0
    for i in range(cells.size):
        halfway[i] = (before[i] + r[cells[i]]) * _HALF
    for i in range(cells.size):
        watts = (halfway[i] * pulse.slope + pulse.low) * pulse.volts
        power += int(np.rint((watts if watts > _ZERO else _ZERO) * pulse.per_unit))
    return power
