"""Programming cells block by block: a full history of all cells of a chip would not fit any memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.threads import side_by_side
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingReport
from memrix.device import CellCurrent, Cells, DeviceParameters, ReadRange, WithinReach
from memrix.device.draws import CellStreams

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
    """
    device = targets.device
    states = torch.empty(targets.shape, dtype=torch.float32, device=device)
    length = _block_length(states.numel()) if device.type == "cpu" else _BLOCK_ELSEWHERE
    parts = torch.split(states.view(-1), length)
    reports = [ProgrammingReport()] * len(parts)
    powers = [0] * len(parts)
    within = [WithinReach.none(device)] * len(parts)

    def program(number: int, state: Tensor, target: Tensor) -> None:
        if not state.numel():
            return
        streams = CellStreams.of_layer(chip, programming, first + number * length)
        cells = Cells(state.numel(), parameters, seed=streams, device=device, pulse_width=pulse_width)
        verification = Verification()
        procedure(cells, target, verification)
        state.copy_(cells.r)
        if reads is not None:
            within[number] = cells.within_reach(reads)
        powers[number] = cells.power
        reports[number] = ProgrammingReport(
            cells=state.numel(),
            pulses=cells.pulses,
            reads=cells.reads,
            disturbing_reads=cells.disturbing_reads,
            failed=verification.failed,
        )

    side_by_side(program, range(len(parts)), parts, torch.split(targets.reshape(-1), length), device=device)
    joined = None if reads is None else WithinReach.joined(within, [part.numel() for part in parts])
    # Integers add up alike in any blocks.
    energy = sum(powers) * CellCurrent(parameters).power_unit * pulse_width
    return Programmed(states, sum(reports, ProgrammingReport(energy=energy)), joined)


def _block_length(count: int) -> int:
    """Cells of a block on a CPU: as many blocks of one length as threads of most machines can share."""
    blocks = min(_PIECES, 1 << max(0, (count // _WORTH_A_THREAD).bit_length() - 1))
    return min(_BLOCK, max(1, -(-count // blocks)))
