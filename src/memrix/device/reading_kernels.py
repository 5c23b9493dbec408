"""Readings of cells in a ramp as machine code of a CPU, and what they decide."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import part_of_compiled
from memrix.device.cell_kernels import WHOLE, WORD_BITS, WORD_MASK, Keys, draw, normal_of
from memrix.device.cell_numbers import Floats
from memrix.device.ramp_plan import Circuit

_16 = np.uint64(16)
_HALF_WORD = np.uint64(0xFFFF)
_ZERO = np.float32(0)
_CERTAINLY_NOT, _DOUBTFUL, _CERTAINLY = 0, 1, 2


@part_of_compiled
def converted(circuit: Circuit, r: np.float32, normal: np.float32) -> np.float32:
    """A reading of a cell in state ``r`` with a normal number of noise."""
    variance = r * circuit.variance_slope + circuit.variance
    noise = normal * np.sqrt(variance if variance > _ZERO else _ZERO)
    code = (r * circuit.slope + circuit.low + noise) * circuit.codes_per_ampere
    code = code if code > _ZERO else _ZERO
    code = code if code < circuit.largest_code else circuit.largest_code
    return np.float32(((code + WHOLE) - WHOLE) * circuit.step)


@part_of_compiled
def read(circuit: Circuit, normals: Floats, number: int, reading: int, keys: Keys, r: np.float32) -> np.float32:
    """A reading of a cell in state ``r``: its number, and how many it had before."""
    c0, c1, c2, c3 = draw(number, reading >> WORD_BITS, keys)
    word = reading & WORD_MASK
    half = c0 if word < 2 else c1 if word < 4 else c2 if word < 6 else c3
    return converted(circuit, r, normal_of(normals, half >> _16 if word & 1 else half & _HALF_WORD))


@part_of_compiled
def verdict(circuit: Circuit, r: np.float32, aim: np.float32, margin: np.float32, largest: np.float32) -> int:
    """Whether a reading is at or below the aim, as far as no noise decides; ``largest``: of all readings."""
    if aim >= largest:
        return _CERTAINLY
    above = r * circuit.reading_slope + circuit.reading_low - aim
    if aim < _ZERO or above >= margin:
        return _CERTAINLY_NOT
    return _CERTAINLY if above <= -margin else _DOUBTFUL


@part_of_compiled
def wait(
    circuit: Circuit,
    largest: np.float32,
    normals: Floats,
    number: int,
    reading: int,
    keys: Keys,
    r: np.float32,
    aim: np.float32,
    margin: np.float32,
    first: int,
) -> int:
    """The reading that stops a cell as it is, before the first pulse that moves it; -1 if none does."""
    found = verdict(circuit, r, aim, margin, largest)
    if found == _CERTAINLY:
        return 0
    if found == _DOUBTFUL:
        for each in range(first + 1):
            if read(circuit, normals, number, reading + each, keys, r) <= aim:
                return each
    return -1


@part_of_compiled
def stop(
    circuit: Circuit,
    largest: np.float32,
    normals: Floats,
    words: npt.NDArray[np.uint16],
    at: int,
    states: Floats,
    reached: int,
    ends: tuple[np.float32, np.float32],
    aim: np.float32,
    margin: np.float32,
    number: int,
    reading: int,
    keys: Keys,
) -> tuple[int, np.float32]:
    """Pulses of a cell on its transition, and its state after them; ``reached``: before, no noise could stop it.

    Args:
        circuit: that reads.
        largest: of all readings.
        normals: of words.
        words: that cells draw for the readings about the one after the step ``reached``.
        at: where those of this cell begin.
        states: of ``Steps``.
        reached: step.
        ends: amplitude and floor.
        aim: of the reading.
        margin: of it.
        number: of the cell.
        reading: how many it had before the ramp.
        keys: of the stream of readings.
    """
    count, r = states.shape[1], _ZERO
    for step in range(min(reached, count - 1), count):
        r = ends[0] * states[0, step] + ends[1] * states[1, step] + states[2, step]
        found = verdict(circuit, r, aim, margin, largest)
        if found == _CERTAINLY:
            return step + 1, r
        if found == _DOUBTFUL:
            each = reading + step + 1
            if each >> WORD_BITS == (reading + reached + 1) >> WORD_BITS:
                value = converted(circuit, r, normal_of(normals, words[at + (each & WORD_MASK)]))
            else:
                value = read(circuit, normals, number, each, keys, r)
            if value <= aim:
                return step + 1, r
    return count, r
