"""Which layers and causes cost a vision transformer its accuracy on chips, what to change, and bits of each layer.

`python examples/digits_layers.py` trains a small vision transformer on the digits that come with scikit-learn, and
studies it on chips. Half of the held-out digits are studied, the figures before and after are of the other half. It
takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from digits import Digits, digits, train
from torch import Tensor, nn

import memrix

WIDTH, HEADS, DEPTH = 32, 4, 3
HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=3)
Batch = tuple[Tensor, Tensor]
HardwareChoice = memrix.Hardware | Mapping[str, memrix.Hardware | None]


class VisionTransformer(nn.Module):
    """Patches of 2 x 2 pixels, three blocks, 38,000 weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Conv2d(1, WIDTH, 2, stride=2)
        self.position = nn.Parameter(0.02 * torch.randn(16, WIDTH))
        self.blocks = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(DEPTH)
            )
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Scores ``[n, 10]`` of images ``[n, 1, 8, 8]``."""
        patches = self.embed(images).flatten(2).transpose(1, 2) + self.position
        scores: Tensor = self.head(self.norm(self.blocks(patches)).mean(1))
        return scores


def halves(data: Digits) -> tuple[list[Batch], list[Batch]]:
    """The held-out digits in two halves, a batch each."""
    pairs = [(data.test_images[part::2], data.test_classes[part::2]) for part in (0, 1)]
    return pairs[:1], pairs[1:]


def before_and_after(
    model: nn.Module,
    inputs: Sequence[Tensor],
    choices: Sequence[HardwareChoice],
    batches: Sequence[Batch],
    chips: int,
) -> list[str]:
    """Loss and accuracy on chips of other seeds, means, as cells of a table."""
    cells = []
    for hardware in choices:
        memrix.calibrate(model, inputs, hardware, keep_ranges=True)
        programmed = [memrix.program(model, hardware, seed=100 + chip) for chip in range(chips)]
        loss, accuracy = (
            sum(memrix.Metric.of(name).measure(chip, batches).mean for chip in programmed) / chips
            for name in ("loss", "accuracy")
        )
        cells.append(f"{loss:.3f}, {100 * accuracy:.1f} %")
    return cells


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures, or write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1200, help="of training")
    parser.add_argument("--chips", type=int, default=5)
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    data, model = digits(), VisionTransformer()
    train(model, data, options.steps)
    inputs = list(data.images.split(128)[:2])
    studied, held_out = halves(data)
    layers = ["embed", "blocks.*", "head"]
    chosen = {pattern: HARDWARE for pattern in layers}
    memrix.calibrate(model, inputs, chosen)
    ranking = memrix.sensitivity(model, HARDWARE, studied, "loss", layers=layers, chips=options.chips)
    causes = memrix.attribution(model, HARDWARE, studied, "loss", layers=layers, chips=options.chips)
    bits = memrix.allocate(model, HARDWARE, studied, "loss", layers=layers, chips=options.chips)
    choices: dict[str, HardwareChoice] = {"3 bits": chosen, "bits of each layer, as many cells": bits.hardware}
    if causes.recommendation is not None:
        choices[causes.recommendation.text] = causes.recommendation.hardware
    figures = before_and_after(model, inputs, list(choices.values()), held_out, options.chips)
    rows = "".join(f"| {name} | {cell} |\n" for name, cell in zip(choices, figures, strict=True))
    text = (
        f"## Layers\n\n{ranking.to_markdown()}\n## Causes\n\n{causes.to_markdown()}\n```text\n{causes}\n```\n\n"
        f"## Bits\n\n{bits.to_markdown()}\n## The other half of the held-out digits\n\n"
        f"| chips | loss, accuracy |\n| --- | --- |\n{rows}"
    )
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
