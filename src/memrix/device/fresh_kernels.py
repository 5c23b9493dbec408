"""Cells of a fresh array as machine code of a CPU."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import compiled
from memrix._support.philox_kernels import philox
from memrix.device.cell_kernels import LOW, component_of, device_row, draw, feature_of, innovation_of
from memrix.device.cell_numbers import BlockArrays, Floats, Technology
from memrix.device.parameters import HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE
from memrix.device.variability import COUNT

Keys = tuple[np.uint64, np.uint64]
SETS, RESETS = 1, 2

_BLOCK = 256  # cells at a time: what they draw stays in the fastest cache
_32 = np.uint64(32)
_WORDS = 8
_HALF_WORD = np.uint64(0xFFFF)


@compiled
def draw_words(out: npt.NDArray[np.uint64], first: int, count: int, number: int, keys: Keys) -> None:
    """Fill ``[2 * count]`` with the words of a draw of consecutive cells, four in each, the lowest first."""
    d = np.uint64(number)
    for i in range(count):
        n = np.uint64(first + i)
        c0, c1, c2, c3 = philox(n & LOW, n >> _32, d & LOW, d >> _32, keys[0], keys[1])
        out[2 * i] = c0 | c1 << _32
        out[2 * i + 1] = c2 | c3 << _32


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
    normals, edges, means, factors = technology.normals, technology.edges, technology.means, technology.factors
    innovation, polynomials = technology.innovation, technology.polynomials
    low, per_low = technology.conductance, technology.per_conductance
    drawn, cycle_drawn = np.empty(2 * _BLOCK, np.uint64), np.empty(2 * _BLOCK, np.uint64)
    words, cycle_words = drawn.view(np.uint16), cycle_drawn.view(np.uint16)
    z, e = np.empty(2 * COUNT, np.float32), np.empty(COUNT, np.float32)
    for start in range(0, on.size, _BLOCK):
        count = min(_BLOCK, on.size - start)
        draw_words(drawn, first + start, count, 0, device_keys)
        draw_words(cycle_drawn, first + start, count, 0, cycle_keys)
        for i in range(count):
            cell, own = start + i, _WORDS * i
            feature = LRS if on[cell] else HRS
            limited = highest > 0 if on[cell] else lowest < 0
            row = 2 * feature
            for k in range(min(row + (4 if limited else 2), 2 * COUNT - 1)):
                z[k] = normals[words[own + k + 1]]
            for k in range(feature + (2 if limited else 1)):
                e[k] = normals[cycle_words[own + k]]
            component = component_of(edges, words[own])
            offset, scale = (
                device_row(means, factors, component, row, z),
                device_row(means, factors, component, row + 1, z),
            )
            score = innovation_of(innovation, feature, e)
            state[cell] = feature_of(polynomials, low, per_low, feature, offset, scale, score)
            reached[cell] = 0
            if not limited:
                continue
            threshold = SET_VOLTAGE
            if on[cell]:
                threshold = RESET_VOLTAGE
                last, _, _, _ = draw(first + cell, 1, device_keys)
                z[2 * COUNT - 1] = normals[last & _HALF_WORD]
            row = 2 * threshold
            offset, scale = (
                device_row(means, factors, component, row, z),
                device_row(means, factors, component, row + 1, z),
            )
            score = innovation_of(innovation, threshold, e)
            volts = feature_of(polynomials, low, per_low, threshold, offset, scale, score)
            if on[cell]:
                reached[cell] = RESETS if volts < highest else 0
            else:
                reached[cell] = SETS if volts >= lowest else 0


@compiled
def begin(block: BlockArrays, technology: Technology, device_keys: Keys, cycle_keys: Keys) -> None:
    """Draw devices and first cycle of the consecutive cells of a block, which are OFF."""
    normals, edges, means, factors = technology.normals, technology.edges, technology.means, technology.factors
    innovation, polynomials = technology.innovation, technology.polynomials
    low, per_low = technology.conductance, technology.per_conductance
    size = 2 * _BLOCK
    drawn, cycle_drawn, last_drawn = np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.uint64)
    words, cycle_words, last = drawn.view(np.uint16), cycle_drawn.view(np.uint16), last_drawn.view(np.uint16)
    z, e = np.empty(2 * COUNT, np.float32), np.empty(COUNT, np.float32)
    r, devices, history, features = block.r, block.devices, block.history, block.features
    set_threshold, reset_threshold, first = block.set_threshold, block.reset_threshold, block.numbers[0]
    for start in range(0, r.size, _BLOCK):
        count = min(_BLOCK, r.size - start)
        draw_words(drawn, first + start, count, 0, device_keys)
        draw_words(last_drawn, first + start, count, 1, device_keys)
        draw_words(cycle_drawn, first + start, count, 0, cycle_keys)
        for i in range(count):
            cell = start + i
            for k in range(2 * COUNT - 1):
                z[k] = normals[words[_WORDS * i + k + 1]]
            z[2 * COUNT - 1] = normals[last[_WORDS * i]]
            for k in range(COUNT):
                e[k] = normals[cycle_words[_WORDS * i + k]]
            component = component_of(edges, words[_WORDS * i])
            for feature in range(COUNT):
                offset = device_row(means, factors, component, 2 * feature, z)
                scale = device_row(means, factors, component, 2 * feature + 1, z)
                score = innovation_of(innovation, feature, e)
                devices[feature, cell], devices[feature + COUNT, cell] = offset, scale
                history[cell, 0, feature] = score
                features[feature, cell] = feature_of(polynomials, low, per_low, feature, offset, scale, score)
            r[cell] = features[HRS, cell]
            set_threshold[cell] = features[SET_VOLTAGE, cell]
            reset_threshold[cell] = np.inf
