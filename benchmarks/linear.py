"""One Linear, 512 x 512 at batch 256, 3 bit, on chips of every noise and mapping, against ``nn.Linear``.

Beside them, what the numpy package ``synaptogen`` takes to read as many cells, each at the voltage of its row,
without converters and tiles, for one vector of the batch: its time is multiplied by the batch.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import synaptogen
import torch
from torch import nn

import memrix
from benchmarks.report import Table
from benchmarks.timing import median_ratio, take_turns

SIZE, BATCH, ROUNDS = 512, 256, 100
CELL_BY_CELL = f"synaptogen (numpy), cell by cell, 1 vector x {BATCH}"
BOUNDS = {"off": 2.5, "physical": 6.0}
REMARK = """\
The limit is 2 products without and 4 with physical noise. Measure with OMP_WAIT_POLICY=PASSIVE: OpenMP threads of
torch that go on spinning after an operation take a core from what follows."""
HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=3)


def run() -> Table:
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(SIZE, SIZE)
    x = torch.randn(BATCH, SIZE, generator=generator)
    memrix.calibrate(layer, [x], HARDWARE)
    chips = {noise: memrix.program(layer, HARDWARE.replace(noise=noise)) for noise in ("off", "physical", "legacy")}
    levels = HARDWARE.replace(programming="reset-ramp").replace(mapping="multi-level")
    chips["physical, multi-level cells"] = memrix.program(layer, levels)
    with torch.inference_mode():
        competitors = {"nn.Linear": lambda: layer(x)}
        competitors |= {noise: (lambda chip=chip: chip(x)) for noise, chip in chips.items()}
        seconds = take_turns(competitors, rounds=ROUNDS, warm_up=10)
        slow = take_turns({"nn.Linear": competitors["nn.Linear"], CELL_BY_CELL: _reading()}, rounds=9, settle=True)
    rows = [
        (
            f"on a chip, noise {name}" if name in chips else name,
            f"{statistics.median(times) * 1e3:.2f}",
            f"{median_ratio(seconds, name, 'nn.Linear'):.1f}",
            f"{BOUNDS[name]:g}" if name in BOUNDS else "",
        )
        for name, times in seconds.items()
    ]
    every_vector = BATCH * statistics.median(slow[CELL_BY_CELL])
    ratio = BATCH * median_ratio(slow, CELL_BY_CELL, "nn.Linear")
    rows.append((CELL_BY_CELL, f"{every_vector * 1e3:,.0f}", f"{ratio:,.0f}", ""))
    return Table(f"{SIZE} x {SIZE} layer, batch {BATCH}, 3 bit", ("", "ms", "x nn.Linear", "bound"), rows, REMARK)


def _reading() -> Callable[[], object]:
    """One vector is put on the rows of all cells, and the currents of every column are added up."""
    cells = synaptogen.CellArrayCPU(SIZE * SIZE * HARDWARE.planes * 2)
    synaptogen.applyVoltage(cells, 2.0)
    voltages = np.repeat(np.linspace(-0.6, 0.6, SIZE, dtype=np.float32), cells.M // SIZE)
    return lambda: synaptogen.Iread(cells, voltages).reshape(SIZE, -1).sum(0)
