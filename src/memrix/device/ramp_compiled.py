"""``ramp_kernels`` for tensors."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.threads import side_by_side
from memrix.device.block import Block
from memrix.device.cell_numbers import arrays_of, pulse_of, technology_of
from memrix.device.fresh_compiled import keys_of
from memrix.device.ramp_kernels import Ramped, ramp
from memrix.device.ramp_plan import RampPlan, RampRecord
from memrix.device.switching import Switching

_AT_A_TIME = 1 << 14  # cells; no result depends on it


class CompiledRamp:
    """A ramp that cells of a block can take again and again.

    Args:
        switching: of the technology.
        block: the cells.
        plan: of the ramp.
        aim: ``[cells]``, in units of the circuit.
        stream: of the noise of readings.
        readings: int64 ``[cells]``: how many each cell has had; they are counted on.
        wanted: ``[cells]``: readings that cells should end at; the aims by default.
        tolerance: of last readings, in the same units; cells beyond it are to be ramped again.
    """

    def __init__(
        self,
        switching: Switching,
        block: Block,
        plan: RampPlan,
        aim: Tensor,
        stream: Stream,
        readings: Tensor,
        wanted: Tensor | None = None,
        tolerance: float = math.inf,
    ) -> None:
        self.switching, self.block, self.plan = switching, block, plan
        self.last = torch.zeros_like(aim)
        self.nobody = Ramped(
            active=np.empty(0, np.int64),
            aims=aim.numpy(),
            margins=plan.margins(aim).numpy(),
            wanted=(aim if wanted is None else wanted).numpy(),
            readings=self.last.numpy(),
            done=readings.numpy(),
            cycle_keys=keys_of(block.stream),
            read_keys=keys_of(stream),
            limits=plan.limits(tolerance),
        )

    def run(self, index: Tensor, reset: float = 0.0, set_: float = 0.0) -> tuple[RampRecord, Tensor]:
        """Ramp the cells of an index, after a pulse of each of two voltages (V) that are not 0.

        Returns:
            What ramp and pulses took; and the index of the cells that are to be ramped again.
        """
        pulses_before = pulse_of(self.switching, reset), pulse_of(self.switching, set_)
        # A cell that is ON enters its next cycle in the ramp, and another one before if the reset finds it ON.
        cycles = int(self.block.cycles.index_select(0, index).max()) + 1 + (reset != 0)
        self.switching.make_room_(self.block, cycles)
        arrays, technology = arrays_of(self.block), technology_of(self.switching)
        parts = torch.split(index.clone(), _AT_A_TIME)
        counts: list[tuple[int, int, int, int]] = [(0, 0, 0, 0)] * len(parts)

        def part(number: int, active: Tensor) -> None:
            ramped = self.nobody._replace(active=active.numpy())
            circuit, steps = self.plan.compiled_circuit, self.plan.steps
            counts[number] = ramp(arrays, technology, circuit, steps, ramped, pulses_before)

        side_by_side(part, range(len(parts)), parts, device=index.device)
        pulses, power, disturbing, _ = (sum(column) for column in zip(*counts, strict=True))
        reads = pulses + index.numel()
        pulses += index.numel() * ((reset != 0) + (set_ != 0))
        again = torch.cat([active[: count[-1]] for active, count in zip(parts, counts, strict=True)])
        return RampRecord(self.last, pulses, power, reads, disturbing), again
