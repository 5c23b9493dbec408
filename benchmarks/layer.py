"""A programmed 512 x 512 layer at batch 256, 3 bit, 128-row tiles, against ``nn.Linear``."""

from __future__ import annotations

import statistics

import torch
from torch import nn

import memrix
from benchmarks.timing import median_ratio, take_turns

SIZE, BATCH, ROUNDS = 512, 256, 100
BOUNDS = {"off": 4.0, "physical": 14.0}


def run() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(SIZE, SIZE)
    x = torch.randn(BATCH, SIZE, generator=generator)
    hardware = memrix.Hardware.preset("physical").replace(weight_bits=3)
    memrix.calibrate(layer, [x], hardware)
    chips = {noise: memrix.program(layer, hardware.replace(noise=noise)) for noise in ("off", "physical", "legacy")}
    with torch.inference_mode():
        competitors = {"nn.Linear": lambda: layer(x)}
        competitors |= {noise: (lambda chip=chip: chip(x)) for noise, chip in chips.items()}
        seconds = take_turns(competitors, rounds=ROUNDS, warm_up=10)
    print(f"\n{SIZE} x {SIZE} layer, batch {BATCH}, 3 bit, 128-row tiles ({torch.get_num_threads()} threads)")
    print(f"{'':24}{'ms (median)':>12}{'x nn.Linear':>14}{'bound':>8}")
    for name, times in seconds.items():
        ratio = median_ratio(seconds, name, "nn.Linear")
        bound = f"{BOUNDS[name]:g}" if name in BOUNDS else ""
        label = name if name == "nn.Linear" else f"memrix, noise {name}"
        print(f"{label:24}{statistics.median(times) * 1e3:12.2f}{ratio:14.2f}{bound:>8}")
