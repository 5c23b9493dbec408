"""The next cycle of cells as machine code of a CPU."""

from __future__ import annotations

import numpy as np

from memrix._support.compilation import compiled, part_of_compiled
from memrix.device.cell_kernels import (
    BLOCK,
    WORDS,
    Keys,
    draw_all,
    feature_of,
    innovation_of,
    normal_of,
    polynomial_of,
    power,
    remember,
)
from memrix.device.cell_numbers import BlockArrays, Floats, Integers, Technology
from memrix.device.parameters import HRS, SET_VOLTAGE
from memrix.device.variability import COUNT


@part_of_compiled
def draw_scores(block: BlockArrays, technology: Technology, cells: Integers, keys: Keys, scores: Floats) -> None:
    """Scores ``[4, cells]`` of the next cycle, into which the cells enter."""
    cycles, numbers, normals, count = block.cycles, block.numbers, technology.normals, cells.size
    drawn, own, draws = np.empty(2 * count, np.uint64), np.empty(count, np.int64), np.empty(count, np.int64)
    words, e, scratch = drawn.view(np.uint16), np.empty((COUNT, count), np.float32), np.empty(count, np.float32)
    oldest = 0
    for i in range(count):
        cell = cells[i]
        cycles[cell] += 1
        own[i], draws[i] = numbers[cell], cycles[cell]
        oldest = max(oldest, cycles[cell])
    draw_all(drawn, own, draws, count, keys)
    for k in range(COUNT):
        row = e[k]
        for i in range(count):
            row[i] = normal_of(normals, words[WORDS * i + k])
    for row_number in range(COUNT):
        innovation_of(scores[row_number], technology.innovation, row_number, e)
    remember(scores, scratch, technology.weights, block.history, cells, oldest)


@part_of_compiled
def next_cycles(block: BlockArrays, technology: Technology, cells: Integers, keys: Keys) -> None:
    """Let cells enter their next cycle."""
    devices, features, count = block.devices, block.features, cells.size
    scores = np.empty((COUNT, count), np.float32)
    offset, scale, value = np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.float32)
    draw_scores(block, technology, cells, keys, scores)
    polynomials, conductance = technology.polynomials, technology.conductance
    for feature in range(COUNT):
        offsets, scales, own = devices[feature], devices[feature + COUNT], features[feature]
        for i in range(count):
            offset[i], scale[i] = offsets[cells[i]], scales[cells[i]]
        score = scores[feature]
        feature_of(value, polynomials, conductance, technology.per_conductance, feature, offset, scale, score)
        for i in range(count):
            own[cells[i]] = value[i]


@part_of_compiled
def begin_transitions(block: BlockArrays, technology: Technology, cells: Integers) -> None:
    """Let cells begin their transition, from the present current at the RESET voltage to that of the OFF state."""
    r, transition, features, count = block.r, block.transition, block.features, cells.size
    set_threshold, reset_threshold = block.set_threshold, block.reset_threshold
    start, low, slope = np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.float32)
    for i in range(count):
        start[i] = reset_threshold[cells[i]]
    polynomial_of(low, technology.low, start, count)
    polynomial_of(slope, technology.slope, start, count)
    full_reset, exponent = technology.full_reset, technology.exponent
    full_low, full_slope = technology.full_low, technology.full_slope
    for i in range(count):
        start[i] = power(abs(full_reset - start[i]), exponent)
    for i in range(count):
        cell = cells[i]
        set_threshold[cell] = features[SET_VOLTAGE, cell]
        floor = features[HRS, cell] * full_slope + full_low
        transition[cell, 0] = (low[i] + r[cell] * slope[i] - floor) / start[i]
        transition[cell, 1] = floor


@compiled
def enter_next_cycles(block: BlockArrays, technology: Technology, cells: Integers, keys: Keys) -> None:
    """Let cells of a block enter their next cycle."""
    for start in range(0, cells.size, BLOCK):
        next_cycles(block, technology, cells[start : min(start + BLOCK, cells.size)], keys)
