"""A chip over several processes: each programs and reads the layers of one stage of a pipeline.

Run with ``torchrun --nproc-per-node 2 examples/pipeline.py``. No process holds the cells of another one, so that the
chip may be larger than the memory of one machine. Every draw follows from the seed and the name of a layer, so that
the stages together are the chip that one process programs, bit for bit.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, distributed, nn
from torch.distributed.pipelining import PipelineStage, ScheduleGPipe

import memrix

WIDTH, BLOCKS, BATCH, MICROBATCHES = 64, 4, 16, 4
HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=3)


def network() -> nn.Sequential:
    """Blocks one after the other, the same in every process."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        blocks = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()) for _ in range(BLOCKS)]
    return nn.Sequential(*blocks)


def inputs() -> Tensor:
    """``[batch, width]``, to calibrate with and to read."""
    return torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(1))


def calibrated() -> nn.Sequential:
    """The network with its activation ranges; of a large one, each process would apply a saved ``Calibration``."""
    model = network()
    memrix.calibrate(model, [inputs()], HARDWARE)
    return model


def blocks_of(rank: int, processes: int) -> range:
    """Which blocks a process has."""
    return range(rank * BLOCKS // processes, (rank + 1) * BLOCKS // processes)


def read(rank: int, processes: int) -> tuple[int, Tensor | None]:
    """The cells of this process, and the outputs of the whole chip in the last one."""
    mine = blocks_of(rank, processes)
    layers = [f"{block}.0" for block in mine]
    chip = memrix.program(calibrated(), HARDWARE, layers=layers, seed=0)
    stage = PipelineStage(
        chip[mine.start : mine.stop],
        rank,
        processes,
        torch.device("cpu"),
        # Without these, the first call would run the stage on zeros, and count its readings.
        input_args=torch.empty(BATCH // MICROBATCHES, WIDTH),
        output_args=torch.empty(BATCH // MICROBATCHES, WIDTH),
    )
    schedule = ScheduleGPipe(stage, n_microbatches=MICROBATCHES)
    with torch.no_grad():
        outputs = schedule.step(inputs()) if rank == 0 else schedule.step()
    return memrix.summary(chip).cells, outputs


def main() -> None:
    """Program and read the part of this process, and compare the result with that of one process."""
    distributed.init_process_group("gloo")
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    cells, outputs = read(rank, processes)
    print(f"process {rank}: {cells:,} cells", flush=True)
    if outputs is not None:
        whole = memrix.program(calibrated(), HARDWARE, seed=0)
        with torch.no_grad():
            same = torch.equal(outputs, whole(inputs()))
        print(f"one process: {memrix.summary(whole).cells:,} cells; outputs are {'the same' if same else 'others'}")
    distributed.destroy_process_group()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
