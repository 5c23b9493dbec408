"""Layers on a chip against fake-quantized and plain torch layers, 3 bit, 128-row tiles."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import memrix
from benchmarks.arguments import require_no_arguments
from benchmarks.report import Table
from benchmarks.timing import median_ratio, take_turns
from memrix.nn.registry import registered_layers

SIZE = 512
BATCHES = (1, 256)
SECONDS = 2.0  # of the calls of one row of the table
BOUNDS = {"off": 2.5, "physical": 6.0}  # of a Linear
OTHERS = 1.5  # bound of any other layer, over the ratio of the Linear layers of as many products
REMARK = """\
At batch 1 a Linear reads its weight once, to see whether it is still the one that was written, and the cells of both
bit slices once, or twice with noise: 3 and 5 times the memory of the torch layer."""
HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=3)


@dataclass(frozen=True)
class Case:
    """A layer, its input for a batch, and Linear layers that multiply as many vectors by as large matrices.

    Attributes:
        layer: the torch layer.
        call: gives the layer an input.
        inputs: of a batch.
        linear: inputs and outputs of a Linear of as many products for a vector.
        vectors: for one item of a batch; one call of the Linear takes all of them.
    """

    layer: nn.Module
    call: Callable[[nn.Module, Tensor], Any]
    inputs: Callable[[int], Tensor]
    linear: tuple[int, int]
    vectors: int


def alone(layer: nn.Module, x: Tensor) -> Tensor:
    output: Tensor = layer(x)
    return output


def attend(layer: nn.Module, x: Tensor) -> Any:  # noqa: ANN401
    return layer(x, x, x, need_weights=False)


def cases() -> dict[str, Case]:
    """The layers that are registered."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Callable[[int], Tensor]:
        return lambda batch: torch.randn(batch, *shape, generator=generator)

    every = {
        "Linear": Case(nn.Linear(SIZE, SIZE), alone, random(SIZE), (SIZE, SIZE), 1),
        "Conv2d": Case(nn.Conv2d(32, 64, 3, padding=1), alone, random(32, 12, 12), (32 * 9, 64), 12 * 12),
        "MultiheadAttention": Case(
            nn.MultiheadAttention(256, 4, batch_first=True), attend, random(24, 256), (256, 4 * 256), 24
        ),
        "LSTM": Case(nn.LSTM(128, 128, batch_first=True), alone, random(16, 128), (2 * 128, 4 * 128), 16),
    }
    known = registered_layers()
    return {name: case for name, case in every.items() if name in known}


def measure(case: Case, batch: int) -> dict[str, list[float]]:
    """Seconds of the layer, fake-quantized and on chips, and those of the Linear of as many products."""
    x = case.inputs(batch)
    count, (inputs, outputs) = batch * case.vectors, case.linear
    vectors = torch.randn(count, inputs, generator=torch.Generator().manual_seed(0))
    competitors = {}
    for prefix, layer, call, given in (
        ("", case.layer, case.call, x),
        ("Linear ", nn.Linear(inputs, outputs), alone, vectors),
    ):
        layer = copy.deepcopy(layer).eval()
        plain = copy.deepcopy(layer)
        batches = [(given, given, given)] if call is attend else [given]
        memrix.calibrate(layer, batches, HARDWARE)
        fake_quantized = copy.deepcopy(layer)
        memrix.quantize(fake_quantized, HARDWARE)
        runs = {"torch": plain, "fake-quantized": fake_quantized}
        runs |= {noise: memrix.program(layer, HARDWARE.replace(noise=noise)).eval() for noise in BOUNDS}
        competitors |= {
            prefix + name: (lambda run=run, call=call, given=given: call(run, given)) for name, run in runs.items()
        }
    with torch.inference_mode():
        first = take_turns(competitors, rounds=1, warm_up=1)
        turn = sum(times[0] for times in first.values())
        return take_turns(competitors, rounds=max(5, min(300, int(SECONDS / turn))), warm_up=2)


def run() -> Table:
    rows = []
    for name, case in cases().items():
        for batch in BATCHES:
            seconds = measure(case, batch)
            row = [name, str(batch), f"{statistics.median(seconds['torch']) * 1e3:.2f}"]
            row.append(f"{median_ratio(seconds, 'fake-quantized', 'torch'):.1f}")
            for noise, bound in BOUNDS.items():
                for baseline in ("torch", "fake-quantized"):
                    linear = OTHERS * median_ratio(seconds, f"Linear {noise}", f"Linear {baseline}")
                    row += [
                        f"{median_ratio(seconds, noise, baseline):.1f}",
                        f"{bound:g}" if name == "Linear" else f"{linear:.1f}",
                    ]
            rows.append(row)
    head = ["layer", "batch", "torch, ms", "fake-quantized / torch"]
    for noise in BOUNDS:
        head += [f"chip, noise {noise} / torch", "bound", "/ fake-quantized", "bound"]
    return Table(
        f"Layers on a chip, 3 bit; the bound of others is {OTHERS:g} x the ratio of a Linear of as many products",
        head,
        rows,
        REMARK,
    )


if __name__ == "__main__":
    require_no_arguments(__doc__)
    print(run().to_markdown())
