"""Programming fresh cells by reset-set, against the numpy package ``synaptogen``."""

from __future__ import annotations

import statistics

import numpy as np
import synaptogen
import torch

from benchmarks.timing import median_ratio, take_turns
from memrix.crossbar import ResetSet
from memrix.device import load_parameters

CELLS, SHARE_ON, ROUNDS = 1 << 20, 0.25, 7


def run() -> None:
    on = torch.rand(CELLS, generator=torch.Generator().manual_seed(0)) < SHARE_ON
    voltages = np.where(on.numpy(), np.float32(-2), np.float32(0))
    parameters = load_parameters()
    chip, programming = torch.Generator(), torch.Generator()

    def numpy_package() -> None:
        cells = synaptogen.CellArrayCPU(CELLS)
        synaptogen.applyVoltage(cells, 2.0)
        synaptogen.applyVoltage(cells, voltages)

    seconds = take_turns(
        {
            "synaptogen (numpy)": numpy_package,
            "memrix": lambda: ResetSet().program(on, parameters, chip=chip, programming=programming),
        },
        rounds=ROUNDS,
        warm_up=1,
    )
    print(f"\nreset-set of {CELLS:,} fresh cells, {SHARE_ON:.0%} of them ON (bound: 10 x)")
    print(f"{'':24}{'Mcells/s':>12}{'x synaptogen':>14}")
    for name, times in seconds.items():
        speed = CELLS / statistics.median(times) / 1e6
        print(f"{name:24}{speed:12.2f}{1 / median_ratio(seconds, name, 'synaptogen (numpy)'):14.1f}")
