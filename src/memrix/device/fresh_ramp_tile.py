"""What compiled loops know of fresh cells in a ramp: one tile of them at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import part_of_compiled
from memrix.device.cell_kernels import BLOCK, Components, Keys, Words
from memrix.device.cell_numbers import Floats, Integers, Pulse
from memrix.device.ramp_lanes import Steps32
from memrix.device.ramp_plan import Limits
from memrix.device.variability import COUNT

_HALF = np.float32(0.5)


class Course(NamedTuple):
    """What the fresh cells of a ramp have in common.

    Attributes:
        set_pulse: the pulse before the ramp.
        device_keys: of the stream of devices.
        cycle_keys: of the stream of cycles.
        read_keys: of the stream of readings.
        lowest: V, of readings to come; cells that they SET are left.
        highest: V, of readings to come; cells that they RESET are left.
        limits: of the ramp; cells whose last reading is beyond the tolerance are left.
    """

    set_pulse: Pulse
    device_keys: Keys
    cycle_keys: Keys
    read_keys: Keys
    lowest: np.float32
    highest: np.float32
    limits: Limits


class Tile(NamedTuple):
    """What is known of the cells of a tile, ``[tile]`` or rows of it.

    Attributes:
        numbers: of the cells.
        everyone: 0, 1, 2, ...: the cells of the tile.
        draws: which of its draws each cell is to have.
        words: these draws.
        components: of the mixture.
        z: ``[8, tile]``: normals of the devices.
        e: ``[4, tile]``: of a cycle.
        first_cycle: ``[4, 3, tile]``: offset, scale and score of each feature.
        features: ``[4, tile]``, of the first cycle.
        score: of a feature of the next cycle.
        value: the feature, or any other number for a while.
        aims: of readings.
        wanted: readings.
        bounds: readings below which the noise decides.
        amplitudes: of transitions.
        floors: of transitions.
        states: after the last pulse taken.
        last: readings.
        normals: that go into readings.
        firsts: the step that moves each cell first.
        taken: pulses of the ramp so far.
        going: cells that are to be read.
        units: of power, of all pulses.
        leaves: whether a cell leaves this course.
    """

    numbers: Integers
    everyone: Integers
    draws: Integers
    words: Words
    components: Components
    z: Floats
    e: Floats
    first_cycle: Floats
    features: Floats
    score: Floats
    value: Floats
    aims: Floats
    wanted: Floats
    bounds: Floats
    amplitudes: Floats
    floors: Floats
    states: Floats
    last: Floats
    normals: Floats
    firsts: Steps32
    taken: Steps32
    going: Integers
    units: npt.NDArray[np.float64]
    leaves: npt.NDArray[np.bool_]


@part_of_compiled
def empty_tile() -> Tile:
    """A tile of which nothing is known, but which has numbers everywhere: cells beyond the last are computed too."""
    rows, integers, steps = (
        np.full((10, BLOCK), _HALF),
        np.empty((3, BLOCK), np.int64),
        np.empty((2, BLOCK), np.uint32),
    )
    return Tile(
        integers[0],
        np.arange(BLOCK),
        integers[1],
        np.empty(2 * BLOCK, np.uint64),
        np.empty(BLOCK, np.int32),
        np.zeros((2 * COUNT, BLOCK), np.float32),
        np.empty((COUNT, BLOCK), np.float32),
        np.empty((COUNT, 3, BLOCK), np.float32),
        np.empty((COUNT, BLOCK), np.float32),
        rows[0],
        rows[1],
        rows[2],
        rows[3],
        rows[4],
        rows[5],
        rows[6],
        rows[7],
        rows[8],
        rows[9],
        steps[0],
        steps[1],
        integers[2],
        np.empty(BLOCK, np.float64),
        np.empty(BLOCK, np.bool_),
    )
