"""One layer on one chip, and whether what comes out is of its network: for tests that walk all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import memrix
from memrix._support.preset_names import PRESETS
from tests import by_hand
from tests.layer_examples import Call, Example, made

ROUNDING = 1e-5  # of float32
# Relative error of the outputs: some twice that of the worst example (0.26, 0.16 and 0.03 of the noisy chips).
LIMITS = {"ideal": ROUNDING, "paper": 0.5, "physical": 0.3, "tuned": 0.06, "realistic": 0.3}
HARDWARE = {name: memrix.Hardware.preset(name).replace(**{"tile.rows": 8, "tile.columns": 8}) for name in PRESETS}


@dataclass(frozen=True)
class Walk:
    """One layer on one chip.

    Attributes:
        example: the layer.
        preset: name of the chip.
        folder: for files.
    """

    example: Example
    preset: str
    folder: Path

    @property
    def hardware(self) -> memrix.Hardware:
        return HARDWARE[self.preset]

    def calibrated(self, seed: int = 0) -> Call:
        model = made(self.example, seed)
        self.calibrate(model)
        return model

    def calibrate(self, model: nn.Module) -> None:
        memrix.calibrate(model, [self.example.inputs], self.hardware, layers=self.example.layers, percentile=100)

    def quantized(self, quantization: memrix.Quantization | None = None, seed: int = 0) -> Call:
        model = self.calibrated(seed)
        memrix.quantize(model, self.hardware, quantization, layers=self.example.layers)
        return model

    def program(self, model: nn.Module, *, inplace: bool = False, seed: int = 0) -> nn.Module:
        return memrix.program(model, self.hardware, layers=self.example.layers, inplace=inplace, seed=seed)

    def chip(self, seed: int = 0) -> nn.Module:
        return self.program(self.calibrated(seed))

    def expected(self, weights: by_hand.Weights, **options: Any) -> Tensor:
        """What float64 gives."""
        per_tensor = self.hardware.weight_scale == "per-tensor"
        example = self.example
        return by_hand.computed(example.definition, weights, example.inputs, per_tensor=per_tensor, **options)


def wrong_networks(weights: by_hand.Weights) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Weights of networks that a fault could put in the place of the right one."""
    matrices = {name: w for name, w in weights.items() if w.dim() > 1}
    generator = torch.Generator().manual_seed(99)

    def changed(change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        return {**weights, **{name: change(w.clone()) for name, w in matrices.items()}}

    yield "other weights", changed(lambda w: w.flatten()[torch.randperm(w.numel(), generator=generator)].view_as(w))
    yield "negated", changed(lambda w: -w)
    yield "a scale that was not updated", changed(lambda w: 1.5 * w)
    yield "half of the first axis dropped", changed(lambda w: w.index_fill(0, torch.arange(0, len(w), 2), 0.0))
    yield "half of the second axis dropped", changed(lambda w: w.index_fill(1, torch.arange(0, w.shape[1], 2), 0.0))
    yield "the largest weights doubled", changed(lambda w: torch.where(w.abs() > w.abs().max() / 2, 2 * w, w))


class Right:
    """The network of certain weights, and the ways from it to wrong ones.

    Args:
        walk: of the layer and the chip.
        weights: float64.
        following: whether ranges follow a training.
    """

    def __init__(self, walk: Walk, weights: by_hand.Weights, *, following: bool = False) -> None:
        self.output = walk.expected(weights, following=following)
        self.ways = {
            name: walk.expected(its, ranges_of=weights) - self.output for name, its in wrong_networks(weights)
        }

    def assert_is(self, output: Tensor, limit: float, name: str) -> None:
        """That an output is within a limit of this network's, and nowhere on the way to another one's."""
        difference = output.detach().double() - self.output
        assert output.shape == self.output.shape
        error = by_hand.distance(output.detach(), self.output)
        assert error < limit, f"{name}: {error:.3g} from what float64 gives, at most {limit}"
        for other, way in self.ways.items():
            share = float((difference * way).sum() / way.square().sum())
            assert abs(share) < 0.4, f"{name}: {share:.2f} of the way to a network with {other}"
