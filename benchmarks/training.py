"""A training step of quantized layers over one in float, and a quantized layer in evaluation over torch's."""

from __future__ import annotations

import copy
import itertools
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

import memrix
from benchmarks.arguments import require_no_arguments
from benchmarks.report import Table
from benchmarks.timing import median_ratio, take_turns

WIDTH, INNER, VECTORS = 384, 1536, 6000
BOUND = 1.4  # of a step, over a step in float, for every observer and weight range
EVALUATION_BOUND = 3.0  # of a vector at a time, over torch
OBSERVERS = ("min-max", "moving-average", "percentile", "mean-square-error", "fixed")
RANGES = ("abs-max", "mean-square-error")
OTHERS = {
    "learned steps": memrix.Quantization(learned_steps=True),
    "output quantizers": memrix.Quantization(output_quantizers=True),
    "weight noise": memrix.Quantization(weight_noise=0.05),
    "device resampling": memrix.Quantization(device_resampling=True),
}
ROUNDS = 7
HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=3)


def stack() -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, INNER), nn.ReLU(), nn.Linear(INNER, WIDTH))


def step(model: nn.Module, x: Tensor) -> Callable[[], None]:
    """A call that trains the model for a step."""
    optimizer = torch.optim.AdamW(model.train().parameters(), 1e-4)

    def call() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return call


def quantized(model: nn.Module, x: Tensor, quantization: memrix.Quantization, weight_range: str) -> nn.Module:
    hardware = HARDWARE.replace(weight_range=weight_range)
    made = copy.deepcopy(model)
    memrix.calibrate(made, [x[:512]], hardware)
    memrix.quantize(made, hardware, quantization)
    return made


def run() -> Table:
    x = torch.randn(VECTORS, WIDTH, generator=torch.Generator().manual_seed(0))
    model = stack()
    ways = {name: memrix.Quantization(observer=name) for name in OBSERVERS} | OTHERS  # type: ignore[arg-type]
    rows = []
    for (name, quantization), weight_range in itertools.product(ways.items(), RANGES):
        calls = {"float": step(copy.deepcopy(model), x)}
        calls["quantized"] = step(quantized(model, x, quantization, weight_range), x)
        seconds = take_turns(calls, rounds=ROUNDS, warm_up=1)
        bound = f"{BOUND:g}" if name in OBSERVERS else ""
        rows.append([name, weight_range, f"{median_ratio(seconds, 'quantized', 'float'):.2f}", bound])
    layer = nn.Linear(512, 512)
    vector = torch.randn(1, 512, generator=torch.Generator().manual_seed(1))
    evaluated = quantized(layer, vector.expand(64, -1), memrix.Quantization(), "abs-max").eval()
    with torch.inference_mode():
        seconds = take_turns(
            {"torch": lambda: layer(vector), "quantized": lambda: evaluated(vector)}, rounds=2000, warm_up=20
        )
    ratio = median_ratio(seconds, "quantized", "torch")
    took = statistics.median(seconds["torch"]) * 1e6
    rows.append(
        [
            f"Linear 512 x 512, evaluation, batch 1 ({took:.0f} us in torch)",
            "abs-max",
            f"{ratio:.2f}",
            f"{EVALUATION_BOUND:g}",
        ]
    )
    return Table(
        f"Training step of Linear {WIDTH}-{INNER}-{WIDTH} on {VECTORS:,} vectors, 3 bit, over the step in float",
        ["observer or method", "weight range", "ratio", "bound"],
        rows,
    )


if __name__ == "__main__":
    require_no_arguments(__doc__)
    print(run().to_markdown())
