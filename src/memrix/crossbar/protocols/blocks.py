"""Programming cells block by block: a full history of all cells of a chip would not fit any memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.threads import side_by_side
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingReport
from memrix.device import CellCurrent, Cells, DeviceParameters, ReadRange, WithinReach
from memrix.device.draws import CellStreams
from memrix.device.ramp_rounds import FreshRamped

# Cells of the largest block on a CPU, and of the smallest that is worth a thread of its own. Devices other than a CPU
# want more work a call. No result depends on it.
_BLOCK = 130_000  # no power of 2: what is known of a cell would all be in the same places of a cache
_WORTH_A_THREAD = 1 << 12
_PIECES = 8
_BLOCK_ELSEWHERE = 1 << 20


class Verification:
    """How the verification of one block ended."""

    def __init__(self) -> None:
        self.failed = 0


Procedure = Callable[[Cells, Tensor, Verification], None]
Ahead = Callable[[CellStreams, Tensor, Tensor], FreshRamped | None]


def program_blocks(
    targets: Tensor,
    parameters: DeviceParameters,
    procedure: Procedure,
    *,
    chip: Stream,
    programming: Stream,
    first: int,
    pulse_width: float,
    reads: ReadRange | None = None,
    ahead: Ahead | None = None,
) -> Programmed:
    """Run a procedure on fresh cells, a block at a time and several side by side.

    Args:
        targets: any shape and type.
        parameters: of the device.
        procedure: called with fresh cells ``[n]``, their targets ``[n]``, and a record of verification to fill.
        chip: stream of the device-to-device draw.
        programming: stream of everything else.
        first: number of the first cell.
        pulse_width: s.
        reads: voltages of readings to come, to tell the cells within their reach.
        ahead: called before with streams of consecutive cells, their targets ``[n]`` and their states ``[n]``: does
            what the procedure would do to all cells but those that it leaves. None of the others has failed, and no
            reading may switch them.
    """
    streams = CellStreams.of_layer(chip, programming, first)
    cells = _Fresh(targets.reshape(-1), parameters, streams, pulse_width, reads)
    states = torch.empty(targets.shape, dtype=torch.float32, device=targets.device)
    done = None if ahead is None else _run_ahead(ahead, cells, states.view(-1))
    if done is None:
        report, power, within = _run(procedure, cells, states.view(-1))
    else:
        # All that are left at once: they are few.
        left = replace(cells, targets=cells.targets[done.left], streams=replace(streams, chosen=done.left))
        own = torch.empty(left.targets.shape, dtype=torch.float32, device=states.device)
        report, power, within = _run(procedure, left, own)
        states.view(-1).index_copy_(0, done.left, own)
        within = None if within is None else replace(within, index=done.left[within.index])
        others = states.numel() - own.numel()
        report, power = report + ProgrammingReport(others, done.pulses, reads=done.reads), power + done.power
    energy = power * CellCurrent(parameters).power_unit * pulse_width
    return Programmed(states, replace(report, energy=energy), within)


@dataclass(frozen=True, eq=False)
class _Fresh:
    """Fresh cells that are to be programmed: arguments of ``program_blocks``, targets ``[n]`` and their streams."""

    targets: Tensor
    parameters: DeviceParameters
    streams: CellStreams
    pulse_width: float
    reads: ReadRange | None

    def parts(self) -> list[tuple[CellStreams, Tensor]]:
        """Streams and targets of each block."""
        targets, streams = self.targets, self.streams
        on_cpu = targets.device.type == "cpu"
        length = _block_length(targets.numel()) if on_cpu else _BLOCK_ELSEWHERE
        blocks = torch.split(targets, length)
        if streams.chosen is None:
            own = [replace(streams, first=streams.first + number * length) for number in range(len(blocks))]
        else:
            own = [replace(streams, chosen=chosen) for chosen in torch.split(streams.chosen, length)]
        return list(zip(own, blocks, strict=True))


def _run_ahead(ahead: Ahead, fresh: _Fresh, states: Tensor) -> FreshRamped | None:
    """What runs ahead came to, over all blocks."""
    parts = fresh.parts()
    done: list[FreshRamped | None] = [None] * len(parts)

    def program(number: int, part: tuple[CellStreams, Tensor], state: Tensor) -> None:
        done[number] = ahead(*part, state)

    lengths = [len(target) for _, target in parts]
    side_by_side(program, range(len(parts)), parts, torch.split(states, lengths), device=states.device)
    ran = [part for part in done if part is not None]
    if len(ran) < len(done):
        return None
    starts = accumulate(lengths, initial=0)
    left = torch.cat([part.left + start for part, start in zip(ran, starts, strict=False)])
    pulses, power, reads = (sum(getattr(part, name) for part in ran) for name in ("pulses", "power", "reads"))
    return FreshRamped(left, pulses, power, reads)


def _run(procedure: Procedure, fresh: _Fresh, states: Tensor) -> tuple[ProgrammingReport, int, WithinReach | None]:
    """Report, power and cells within reach after a procedure on all blocks."""
    parts, device = fresh.parts(), states.device
    reports = [ProgrammingReport()] * len(parts)
    powers = [0] * len(parts)
    # Where they are kept, a chip has word lines even if no cell is within reach: its files say so.
    kept = fresh.reads is not None and fresh.reads.kept
    within = [WithinReach.none(device, slots=fresh.parameters.order if kept else None)] * len(parts)
    lengths = [len(target) for _, target in parts]

    def program(number: int, part: tuple[CellStreams, Tensor], state: Tensor) -> None:
        streams, target = part
        if not state.numel():
            return
        cells = Cells(state.numel(), fresh.parameters, seed=streams, device=device, pulse_width=fresh.pulse_width)
        verification = Verification()
        procedure(cells, target, verification)
        state.copy_(cells.r)
        if fresh.reads is not None:
            within[number] = cells.within_reach(fresh.reads)
        powers[number] = cells.power
        reports[number] = ProgrammingReport(
            cells=state.numel(),
            pulses=cells.pulses,
            reads=cells.reads,
            disturbing_reads=cells.disturbing_reads,
            failed=verification.failed,
        )

    side_by_side(program, range(len(parts)), parts, torch.split(states, lengths), device=device)
    joined = None if fresh.reads is None else WithinReach.joined(within, lengths)
    # Integers add up alike in any blocks.
    return sum(reports, ProgrammingReport()), sum(powers), joined


def _block_length(count: int) -> int:
    """Cells of a block on a CPU: as many blocks of one length as threads of most machines can share."""
    blocks = min(_PIECES, 1 << max(0, (count // _WORTH_A_THREAD).bit_length() - 1))
    return min(_BLOCK, max(1, -(-count // blocks)))
