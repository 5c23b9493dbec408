"""``ramp_kernels`` for tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.threads import side_by_side
from memrix.device.block import Block
from memrix.device.cell_numbers import arrays_of, technology_of
from memrix.device.fresh_compiled import keys_of
from memrix.device.ramp_kernels import Ramped, ramp
from memrix.device.ramp_plan import RampPlan, RampRecord
from memrix.device.switching import Switching

_AT_A_TIME = 1 << 14  # cells; no result depends on it


def run(
    switching: Switching, block: Block, index: Tensor, plan: RampPlan, aim: Tensor, stream: Stream, readings: Tensor
) -> RampRecord:
    """As ``ramp._Ramp.run``."""
    switching.make_room_(block, int(block.cycles.index_select(0, index).max()) + 1)
    arrays, technology = arrays_of(block), technology_of(switching)
    last = torch.empty_like(aim)
    parts = [torch.split(tensor, _AT_A_TIME) for tensor in (index, aim, plan.margins(aim), last)]
    counts: list[tuple[int, int, int]] = [(0, 0, 0)] * len(parts[0])

    def part(number: int, index: Tensor, aim: Tensor, margin: Tensor, last: Tensor) -> None:
        cells = Ramped(
            positions=index.numpy(),
            aims=aim.numpy(),
            margins=margin.numpy(),
            readings=last.numpy(),
            done=readings.numpy(),
            cycle_keys=keys_of(block.stream),
            read_keys=keys_of(stream),
            largest=np.float32(plan.largest_reading),
            voltage=np.float32(plan.voltage),
            disturbing=plan.disturbing,
            top=1 << (len(plan.steps.weights).bit_length() - 1),
            per_unit=plan.per_power_unit,
        )
        counts[number] = ramp(arrays, technology, plan.compiled_circuit, plan.steps, cells)

    side_by_side(part, range(len(counts)), *parts, device=index.device)
    pulses, power, disturbing = (sum(column) for column in zip(*counts, strict=True))
    return RampRecord(last, pulses, power, pulses + index.numel(), disturbing)
