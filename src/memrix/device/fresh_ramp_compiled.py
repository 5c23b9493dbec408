"""``fresh_ramp_kernels`` for tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from memrix.device.cell_numbers import pulse_of, technology_of
from memrix.device.draws import CellStreams
from memrix.device.fresh_compiled import keys_of
from memrix.device.fresh_ramp_kernels import ramp_fresh
from memrix.device.fresh_ramp_tile import Course
from memrix.device.ramp_plan import RampPlan
from memrix.device.ramp_rounds import FreshRamped
from memrix.device.reach import ReadRange
from memrix.device.switching import Switching


def set_and_ramp(
    switching: Switching,
    streams: CellStreams,
    plan: RampPlan,
    set_voltage: float,
    aim: Tensor,
    wanted: Tensor,
    tolerance: float,
    reads: ReadRange | None,
    states: Tensor,
) -> FreshRamped:
    """SET and ramp fresh cells on a CPU, and fill in the states of all but those that are left.

    Left are cells of which anything but a state is to be known: the SET does not reach them, they stop before they
    move, their current rises along the ramp, their last reading is off, or readings to come may switch them.

    Args:
        switching: of the technology.
        streams: of consecutive cells.
        plan: of the ramp.
        set_voltage: V.
        aim: float32 ``[cells]``: readings at or below which the ramp stops, in units of the circuit.
        wanted: float32 ``[cells]``: readings that cells should end at.
        tolerance: of last readings, in the same units.
        reads: voltages of readings to come.
        states: float32 ``[cells]``, to be filled.
    """
    count = states.numel()
    course = Course(
        set_pulse=pulse_of(switching, set_voltage),
        device_keys=keys_of(streams.devices),
        cycle_keys=keys_of(streams.cycles),
        read_keys=keys_of(streams.readings),
        lowest=np.float32(0.0 if reads is None else reads.lowest),
        highest=np.float32(0.0 if reads is None else reads.highest),
        limits=plan.limits(tolerance),
    )
    left = torch.empty(count + 1, dtype=torch.int64)
    leaving, pulses, power = ramp_fresh(
        states.numpy(),
        left.numpy(),
        streams.first,
        aim.numpy(),
        plan.margins(aim).numpy(),
        wanted.numpy(),
        technology_of(switching),
        plan.compiled_circuit,
        plan.steps,
        course,
    )
    stay = count - leaving
    return FreshRamped(left[:leaving].clone(), pulses + stay, power, pulses + stay)
