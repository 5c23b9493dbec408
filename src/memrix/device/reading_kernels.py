"""Readings of cells in a ramp as machine code of a CPU, and which cells they leave to go on."""

from __future__ import annotations

import numpy as np

from memrix._support.compilation import part_of_compiled
from memrix.device.cell_kernels import WHOLE, WORD_BITS, WORD_MASK, WORDS, Keys, draw_all, normal_of
from memrix.device.cell_numbers import Floats
from memrix.device.ramp_lanes import Lanes
from memrix.device.ramp_plan import Circuit

_ZERO = np.float32(0)


@part_of_compiled
def convert(values: Floats, normals: Floats, circuit: Circuit, count: int) -> None:
    """Make readings of states, in place, with normal numbers of noise."""
    for k in range(count):
        r = values[k]
        variance = r * circuit.variance_slope + circuit.variance
        noise = normals[k] * np.sqrt(variance if variance > _ZERO else _ZERO)
        code = (r * circuit.slope + circuit.low + noise) * circuit.codes_per_ampere
        code = code if code > _ZERO else _ZERO
        code = code if code < circuit.largest_code else circuit.largest_code
        values[k] = ((code + WHOLE) - WHOLE) * circuit.step


@part_of_compiled
def read_chosen(circuit: Circuit, normals: Floats, keys: Keys, lanes: Lanes, count: int) -> int:
    """Read the first of the chosen lanes after the pulses they took; returns how many go on, the first ones then."""
    numbers, done, taken, states, chosen = lanes.numbers, lanes.done, lanes.taken, lanes.states, lanes.chosen
    own, draws, values, noise, words = (
        lanes.own,
        lanes.draws,
        lanes.values,
        lanes.normals,
        lanes.words.view(np.uint16),
    )
    aims, limits, last = lanes.aims, lanes.limits, lanes.last
    for k in range(count):
        lane = chosen[k]
        own[k], draws[k], values[k] = numbers[lane], (done[lane] + taken[lane]) >> WORD_BITS, states[lane]
    draw_all(lanes.words, own, draws, count, keys)
    for k in range(count):
        lane = chosen[k]
        noise[k] = normal_of(normals, words[WORDS * k + ((done[lane] + taken[lane]) & WORD_MASK)])
    convert(values, noise, circuit, count)
    going = 0
    for k in range(count):
        lane = chosen[k]
        last[lane], chosen[going] = values[k], lane
        going += (values[k] > aims[lane]) & (taken[lane] < limits[lane])
    return going
