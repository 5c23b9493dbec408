"""One Linear, 512 x 512 at batch 256, 3 bit, on chips of every noise and mapping, against ``nn.Linear``."""

from __future__ import annotations

import statistics

import torch
from torch import nn

import memrix
from benchmarks.report import Table
from benchmarks.timing import median_ratio, take_turns

SIZE, BATCH, ROUNDS = 512, 256, 100
BOUNDS = {"off": 4.0, "physical": 10.0}


def run() -> Table:
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(SIZE, SIZE)
    x = torch.randn(BATCH, SIZE, generator=generator)
    hardware = memrix.Hardware.preset("physical").replace(weight_bits=3)
    memrix.calibrate(layer, [x], hardware)
    chips = {noise: memrix.program(layer, hardware.replace(noise=noise)) for noise in ("off", "physical", "legacy")}
    levels = hardware.replace(programming="reset-ramp").replace(mapping="multi-level")
    chips["physical, multi-level cells"] = memrix.program(layer, levels)
    with torch.inference_mode():
        competitors = {"nn.Linear": lambda: layer(x)}
        competitors |= {noise: (lambda chip=chip: chip(x)) for noise, chip in chips.items()}
        seconds = take_turns(competitors, rounds=ROUNDS, warm_up=10)
    rows = [
        (
            name if name == "nn.Linear" else f"on a chip, noise {name}",
            f"{statistics.median(times) * 1e3:.2f}",
            f"{median_ratio(seconds, name, 'nn.Linear'):.1f}",
            f"{BOUNDS[name]:g}" if name in BOUNDS else "",
        )
        for name, times in seconds.items()
    ]
    return Table(f"{SIZE} x {SIZE} layer, batch {BATCH}, 3 bit", ("", "ms", "x nn.Linear", "bound"), rows)
