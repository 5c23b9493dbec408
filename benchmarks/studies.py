"""What a study costs beside programming chips and measuring them: for each trial, and once for all."""

from __future__ import annotations

import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import memrix
from benchmarks.arguments import require_no_arguments
from benchmarks.report import Table

CHIPS = 10
ROUNDS = 5
BOUND = 50.0  # ms for each trial
HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=3)
SIZES = {"3 x 64": (64, 64, 64, 64), "3 x 512": (512, 512, 512, 512)}
REMARK = f"""\
The last three columns are what a study takes beyond programming and the metric: what it does once for all chips,
divided by their number, and what it does for each. A fresh folder gets a file for each trial, a full one has them.
Bound: {BOUND:g} ms."""


def network(sizes: tuple[int, ...]) -> nn.Module:
    """Linear layers."""
    generator = torch.Generator().manual_seed(0)
    layers = [nn.Linear(inputs, outputs) for inputs, outputs in itertools.pairwise(sizes)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=sizes[0] ** -0.5, generator=generator)
    return nn.Sequential(*layers)


def error(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The metric: squared error of each item."""
    return functional.mse_loss(model(batch[0]), batch[1], reduction="none").mean(1)


def studies(sizes: tuple[int, ...], folder: Path) -> dict[str, Callable[[], memrix.SweepResult]]:
    """Studies of the same chips, whose figures are those of a loop."""
    model, x = network(sizes), torch.randn(64, sizes[0], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        batches = [(x, model(x))]
    memrix.calibrate(model, [x], HARDWARE)
    metric = memrix.Metric(error, name="squared error")

    def study(place: Path | None, *, fresh: bool = False) -> memrix.SweepResult:
        if fresh and place is not None:
            shutil.rmtree(place, ignore_errors=True)
        return memrix.sweep(model, HARDWARE, batches, metric, {}, chips=CHIPS, folder=place)

    expected = []
    for seed in range(CHIPS):
        chip = memrix.program(model, HARDWARE, seed=seed).eval()
        with torch.no_grad():
            expected.append(float(torch.cat([error(chip, batch) for batch in batches]).double().mean()))
    found = {
        "no folder": lambda: study(None),
        "fresh folder": lambda: study(folder / "fresh", fresh=True),
        "full folder": lambda: study(folder / "full"),
    }
    for name, call in found.items():
        assert [row.figure for row in call().rows] == expected, name
    return found


def milliseconds(call: Callable[[], memrix.SweepResult], *, ran: bool) -> tuple[float, float]:
    """Of a trial: what the study takes beyond programming and the metric, and these."""
    start = time.perf_counter()
    result = call()
    whole = time.perf_counter() - start
    own = sum(row.seconds for row in result.rows) if ran else 0.0
    return 1000 * (whole - own) / CHIPS, 1000 * own / CHIPS


def run() -> Table:
    """Measure, and check the bound."""
    rows = []
    torch.set_num_threads(1)
    for name, sizes in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            calls = studies(sizes, Path(folder))
            found = {
                key: [milliseconds(call, ran=key != "full folder") for _ in range(ROUNDS)]
                for key, call in calls.items()
            }
        beyond = {key: statistics.median(each for each, _ in values) for key, values in found.items()}
        own = statistics.median(each for _, each in found["no folder"])
        assert max(beyond.values()) < BOUND, beyond
        rows.append((name, f"{own:.0f}", *(f"{beyond[key]:.1f}" for key in beyond)))
    head = ("linear layers", "programming and metric", "no folder", "fresh folder", "full folder")
    return Table(f"A study of {CHIPS} chips, ms a trial", head, rows, REMARK)


if __name__ == "__main__":
    require_no_arguments(__doc__)
    print(run().to_markdown())
