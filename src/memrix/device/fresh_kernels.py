"""Cells of a fresh array as machine code of a CPU."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import compiled, part_of_compiled
from memrix.device.cell_kernels import (
    BLOCK,
    WORDS,
    Components,
    Keys,
    components_of,
    device_row,
    draw,
    draw_all,
    feature_of,
    innovation_of,
    normal_of,
)
from memrix.device.cell_numbers import BlockArrays, Floats, Integers, Technology
from memrix.device.parameters import HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE
from memrix.device.variability import COUNT

SETS, RESETS = 1, 2

_HALF_WORD = np.uint64(0xFFFF)
_DEVICE = 2 * COUNT  # normals of a device: all but the last are words 1 to 7 of its first draw


@part_of_compiled
def look_up(out: Floats, normals: Floats, words: npt.NDArray[np.uint16], shift: int, cells: Integers) -> None:
    """Normals ``[rows, cells]`` of the words of cells from ``shift`` on."""
    for k in range(out.shape[0]):
        row = out[k]
        for i in range(cells.size):
            row[i] = normal_of(normals, words[WORDS * cells[i] + shift + k])


@part_of_compiled
def first_feature(
    out: Floats, scratch: Floats, technology: Technology, feature: int, z: Floats, e: Floats, components: Components
) -> None:
    """A feature of the first cycle of cells.

    Args:
        out: to be filled; the other arrays may have room for more cells.
        scratch: ``[3, room]``: offsets, scales and scores in the end.
        technology: of the cells.
        feature: which.
        z: ``[8, room]``: normals of the devices.
        e: ``[4, room]``: of the cycle.
        components: of the mixture.
    """
    means, factors = technology.means, technology.factors
    # Rows and slices of rows are contiguous, which makes vectors of their loops; slices of columns are not.
    count = out.size
    offset, scale, score = scratch[0][:count], scratch[1][:count], scratch[2][:count]
    device_row(offset, means, factors, 2 * feature, z, components)
    device_row(scale, means, factors, 2 * feature + 1, z, components)
    innovation_of(score, technology.innovation, feature, e)
    polynomials, conductance = technology.polynomials, technology.conductance
    feature_of(out, polynomials, conductance, technology.per_conductance, feature, offset, scale, score)


@part_of_compiled
def draw_on(
    state: Floats,
    reached: npt.NDArray[np.uint8],
    technology: Technology,
    cells: Integers,
    both_words: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]],
    components: Components,
    room: Floats,
    first: int,
    device_keys: Keys,
    highest: np.float32,
) -> None:
    """States of the ON cells of a block, and which of them a reading at ``highest`` V RESETs."""
    normals, count, words, cycle_words = technology.normals, cells.size, both_words[0], both_words[1]
    z, e, scratch, value = room[:_DEVICE], room[_DEVICE:12], room[12:15], room[15][:count]
    for i in range(count):
        components[i] = components[cells[i]]  # those further on are still to be read
    own = components[:count]
    look_up(z[: _DEVICE - 1], normals, words, 1, cells)
    look_up(e, normals, cycle_words, 0, cells)
    first_feature(value, scratch, technology, LRS, z, e, own)
    for i in range(count):
        state[cells[i]] = value[i]
        reached[cells[i]] = 0
    if highest > 0:
        for i in range(count):
            last, _, _, _ = draw(first + cells[i], 1, device_keys)
            z[_DEVICE - 1, i] = normal_of(normals, last & _HALF_WORD)
        first_feature(value, scratch, technology, RESET_VOLTAGE, z, e, own)
        for i in range(count):
            reached[cells[i]] = RESETS if value[i] < highest else 0


@compiled
def draw_states(
    state: Floats,
    reached: npt.NDArray[np.uint8],
    on: npt.NDArray[np.bool_],
    technology: Technology,
    first: int,
    device_keys: Keys,
    cycle_keys: Keys,
    lowest: np.float32,
    highest: np.float32,
) -> None:
    """States after reset-set of consecutive cells, and what readings from ``lowest`` to ``highest`` V do to each."""
    normals = technology.normals
    drawn, cycle_drawn = np.empty(2 * BLOCK, np.uint64), np.empty(2 * BLOCK, np.uint64)
    words, cycle_words = drawn.view(np.uint16), cycle_drawn.view(np.uint16)
    needed = 2 if lowest < 0 else 1  # features of OFF cells
    everyone, numbers, zeros = np.arange(BLOCK), np.empty(BLOCK, np.int64), np.zeros(BLOCK, np.int64)
    z, e = np.zeros((_DEVICE, BLOCK), np.float32), np.empty((needed, BLOCK), np.float32)
    scratch, value, cells = np.empty((3, BLOCK), np.float32), np.empty(BLOCK, np.float32), np.empty(BLOCK, np.int64)
    components, room = np.empty(BLOCK, np.int32), np.zeros((16, BLOCK), np.float32)
    for start in range(0, on.size, BLOCK):
        stop, ons = min(start + BLOCK, on.size), 0
        targets, states, marks, count = on[start:stop], state[start:stop], reached[start:stop], stop - start
        for i in range(BLOCK):
            numbers[i] = first + start + i
        draw_all(drawn, numbers, zeros, BLOCK, device_keys)
        draw_all(cycle_drawn, numbers, zeros, BLOCK, cycle_keys)
        components_of(components, words, technology.edges)
        # Most cells of a bit-sliced matrix are OFF: all are computed as OFF, the ON ones once more.
        look_up(z[: 2 * needed], normals, words, 1, everyone)
        look_up(e, normals, cycle_words, 0, everyone)
        first_feature(value, scratch, technology, HRS, z, e, components)
        for i in range(count):  # an assignment of slices takes seconds to compile
            states[i] = value[i]
            marks[i] = 0
        if lowest < 0:
            first_feature(value, scratch, technology, SET_VOLTAGE, z, e, components)
            for i in range(count):
                marks[i] = SETS if value[i] >= lowest else 0
        for i in range(count):
            cells[ons] = i
            ons += targets[i]
        if ons:
            chosen, drawn_words, from_ = cells[:ons], (words, cycle_words), first + start
            draw_on(states, marks, technology, chosen, drawn_words, components, room, from_, device_keys, highest)


@compiled
def begin(block: BlockArrays, technology: Technology, device_keys: Keys, cycle_keys: Keys) -> None:
    """Draw devices and first cycle of the cells of a block, which are OFF."""
    r, devices, history, features, numbers = block.r, block.devices, block.history, block.features, block.numbers
    set_threshold, reset_threshold, normals = block.set_threshold, block.reset_threshold, technology.normals
    drawn, zeros, ones = np.empty(2 * BLOCK, np.uint64), np.zeros(BLOCK, np.int64), np.ones(BLOCK, np.int64)
    words, everyone, all_components = drawn.view(np.uint16), np.arange(BLOCK), np.empty(BLOCK, np.int32)
    room = np.zeros((16, BLOCK), np.float32)
    for start in range(0, r.size, BLOCK):
        count = min(BLOCK, r.size - start)
        z, e, scratch, value = room[:_DEVICE], room[_DEVICE:12], room[12:15], room[15][:count]
        components, cells, own, stop = all_components[:count], everyone[:count], numbers[start:], start + count
        draw_all(drawn, own, zeros, count, device_keys)
        components_of(components, words, technology.edges)
        look_up(z[: _DEVICE - 1], normals, words, 1, cells)
        draw_all(drawn, own, zeros, count, cycle_keys)
        look_up(e, normals, words, 0, cells)
        draw_all(drawn, own, ones, count, device_keys)
        look_up(z[_DEVICE - 1 :], normals, words, 0, cells)
        for feature in range(COUNT):
            first_feature(value, scratch, technology, feature, z, e, components)
            offsets, scales, own_feature = devices[feature], devices[feature + COUNT], features[feature]
            scores = history[start:stop, history.shape[1] - 1, feature]
            for i in range(count):
                offsets[start + i], scales[start + i], scores[i] = scratch[0, i], scratch[1, i], scratch[2, i]
                own_feature[start + i] = value[i]
        for i in range(start, stop):
            r[i] = features[HRS, i]
            set_threshold[i] = features[SET_VOLTAGE, i]
            reset_threshold[i] = np.inf
