"""The 163 million cells of a Conformer (384 wide, 12 blocks, 3 bit), programmed in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import torch
from torch import Tensor, nn

import memrix
from benchmarks.report import Table

WIDTH, INNER, KERNEL, BLOCKS = 384, 1536, 31, 12


class Block(nn.Module):
    """What of a Conformer block runs on memristors (arXiv 2505.24721); what lies between is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.forwards = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, INNER), nn.SiLU(), nn.Linear(INNER, WIDTH)) for _ in range(2)
        )
        self.attention = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.pointwise_in = nn.Linear(WIDTH, 2 * WIDTH)
        self.depthwise = nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2, groups=WIDTH)
        self.pointwise_out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, time, width]`` to the same shape."""
        x = x + self.forwards[0](x) / 2
        for projection in self.attention:
            x = x + projection(x) / 4
        gated = nn.functional.glu(self.pointwise_in(x), dim=-1)
        x = x + self.pointwise_out(self.depthwise(gated.mT).mT)
        return x + self.forwards[1](x) / 2


def run() -> Table:
    measured = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, check=True)
    figures = json.loads(measured.stdout.splitlines()[-1])
    rows = [
        (
            f"{figures['cells'] / 1e6:.0f}",
            f"{figures['seconds']:.1f}",
            "60",
            f"{figures['gigabytes']:.2f}",
            "3",
        )
    ]
    head = ("million cells", "s", "bound", "peak memory of the process, GB", "bound")
    return Table("Conformer (384 wide, 12 blocks, 3 bit) programmed by reset-set", head, rows)


def measure() -> dict[str, float]:
    model = nn.Sequential(*(Block() for _ in range(BLOCKS)))
    hardware = memrix.Hardware.preset("physical").replace(weight_bits=3)
    memrix.calibrate(model, [torch.randn(1, 50, WIDTH)], hardware)
    start = time.perf_counter()
    chip = memrix.program(model, hardware)
    seconds = time.perf_counter() - start
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"cells": memrix.summary(chip).cells, "seconds": seconds, "gigabytes": kilobytes * 1024 / 1e9}


if __name__ == "__main__":
    print(json.dumps(measure()))
