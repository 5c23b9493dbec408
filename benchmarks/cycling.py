"""Pulses on cells with their whole history, against the numpy package ``synaptogen``."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import synaptogen
import torch

from benchmarks.report import Table
from benchmarks.timing import median_ratio, take_turns
from memrix.device import Cells

CELLS, PULSES, ROUNDS = 1 << 19, 15, 5
NUMPY, OURS = "synaptogen (numpy)", "memrix"


def run() -> Table:
    train = np.random.default_rng(0).uniform(-2, 2, (PULSES, CELLS)).astype(np.float32)
    wear = _compare(list(torch.from_numpy(train)).__getitem__, train.__getitem__)
    full = _compare(_full_cycle, _full_cycle)
    head = ("", "memrix: ns per cell and pulse", NUMPY, "x", "bound")
    rows = [("one cycle of pre-cycling: 15 random pulses", *wear, "5"), ("full cycles: +2 V, -2 V", *full, "")]
    return Table(f"Cycling {CELLS:,} cells", head, rows)


def _compare(ours: Callable[[int], float | torch.Tensor], theirs: Callable[[int], float | np.ndarray]) -> list[str]:
    """Nanoseconds per cell and pulse of memrix and of synaptogen, and their ratio."""
    cells, package = Cells(CELLS), synaptogen.CellArrayCPU(CELLS)
    package.UR = package.UR.copy()  # otherwise its cells stop switching after the first reset
    synaptogen.applyVoltage(package, 2.0)

    def run_ours() -> None:
        for number in range(PULSES):
            cells.apply_voltage(ours(number))

    def run_theirs() -> None:
        for number in range(PULSES):
            synaptogen.applyVoltage(package, theirs(number))

    seconds = take_turns({NUMPY: run_theirs, OURS: run_ours}, rounds=ROUNDS, warm_up=1, settle=True)
    nanoseconds = [1e9 * statistics.median(seconds[who]) / CELLS / PULSES for who in (OURS, NUMPY)]
    return [*(f"{each:.0f}" for each in nanoseconds), f"{1 / median_ratio(seconds, OURS, NUMPY):.1f}"]


def _full_cycle(number: int) -> float:
    return 2.0 if number % 2 else -2.0
