"""Room in which compiled ramps keep what they know of the cells of a block: one lane for each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import part_of_compiled
from memrix.device.cell_kernels import BLOCK, Words
from memrix.device.cell_numbers import Floats, Integers

Steps32 = npt.NDArray[np.uint32]  # numbers of steps: as many lanes as of float32 fit a vector


class Lanes(NamedTuple):
    """What is known of the cells of a block, ``[BLOCK]``; what is of chosen ones comes in the order of ``chosen``.

    Attributes:
        numbers: of the cells.
        done: readings before the ramp.
        aims: of readings.
        margins: of readings, within which the noise decides.
        before: states before the ramp, or before a pulse.
        states: present ones.
        thresholds: of a reset.
        firsts: the step that moves each cell first; the number of steps: none does.
        taken: pulses of the ramp so far.
        limits: pulses after which a cell is read no more.
        last: readings; infinite before the first one.
        amplitudes: of transitions.
        floors: of transitions.
        bounds: readings below which the noise decides.
        chosen: lanes that are to be read.
        moving: lanes of cells that a pulse moves.
        leaving: positions of cells that leave the low-resistance state.
        own: numbers of the chosen cells.
        draws: which they draw from.
        words: that they draw.
        values: states of the chosen cells, then their readings.
        normals: that go into these.
        watts: power of the pulses.
    """

    numbers: Integers
    done: Integers
    aims: Floats
    margins: Floats
    before: Floats
    states: Floats
    thresholds: Floats
    firsts: Steps32
    taken: Steps32
    limits: Steps32
    last: Floats
    amplitudes: Floats
    floors: Floats
    bounds: Floats
    chosen: Integers
    moving: Integers
    leaving: Integers
    own: Integers
    draws: Integers
    words: Words
    values: Floats
    normals: Floats
    watts: npt.NDArray[np.float64]


@part_of_compiled
def empty_lanes() -> Lanes:
    """Lanes of which nothing is known; amplitudes and floors of cells that never move are any numbers."""
    return Lanes(
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.float32),
        np.zeros(BLOCK, np.float32),
        np.zeros(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(2 * BLOCK, np.uint64),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float64),
    )
