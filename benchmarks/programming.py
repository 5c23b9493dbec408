"""Programming fresh cells, against the numpy package ``synaptogen`` doing reset-set."""

from __future__ import annotations

import statistics

import numpy as np
import synaptogen
import torch

from benchmarks.report import Table
from benchmarks.timing import median_ratio, take_turns
from memrix._support.streams import Stream
from memrix.crossbar import ProgrammingProtocol, ResetRamp, ResetSet, WriteVerify
from memrix.device import load_parameters

CELLS, SHARE_ON = 1 << 20, 0.25
NUMPY = "synaptogen (numpy), reset-set"
BOUNDS = {"reset-set": "15"}
ROUNDS = {"reset-set": 9, "write-verify, 5 rounds": 5, "reset-ramp, 10 mV": 3}


def run() -> Table:
    on = torch.rand(CELLS, generator=torch.Generator().manual_seed(0)) < SHARE_ON
    voltages = np.where(on.numpy(), np.float32(-2), np.float32(0))
    parameters = load_parameters()
    chip, programming = Stream.of(0, "chip"), Stream.of(0, "programming")

    def numpy_package() -> None:
        cells = synaptogen.CellArrayCPU(CELLS)
        synaptogen.applyVoltage(cells, 2.0)
        synaptogen.applyVoltage(cells, voltages)

    def program(protocol: ProgrammingProtocol) -> None:
        protocol.program(on, parameters, chip=chip, programming=programming)

    protocols = {"reset-set": ResetSet(), "write-verify, 5 rounds": WriteVerify(5), "reset-ramp, 10 mV": ResetRamp()}
    rows = []
    for name, protocol in protocols.items():
        protocol.nominal_states(parameters)  # found once for a device, whatever is programmed
        seconds = take_turns(
            {NUMPY: numpy_package, name: lambda p=protocol: program(p)}, rounds=ROUNDS[name], settle=True
        )
        speeds = [f"{CELLS / statistics.median(seconds[who]) / 1e6:.2f}" for who in (NUMPY, name)]
        rows.append((name, *reversed(speeds), f"{1 / median_ratio(seconds, name, NUMPY):.2g}", BOUNDS.get(name, "")))
    head = ("", "million cells per second", f"{NUMPY}", "x", "bound")
    return Table(f"Programming {CELLS:,} fresh cells, {SHARE_ON:.0%} of them ON", head, rows)
