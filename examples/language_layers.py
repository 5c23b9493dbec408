"""A small language model on chips: bits of each layer beside uniform bits of as many cells.

`python examples/language_layers.py` trains a transformer that predicts the next character of the documentation of
memrix, allocates bits on one part of the text that it has not seen, and compares chips on another part. It takes some
minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

import memrix

TEXTS = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
WIDTH, HEADS, DEPTH, CONTEXT = 64, 4, 3, 64
HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=3)
Batch = tuple[Tensor, Tensor]


class LanguageModel(nn.Module):
    """A causal transformer over characters."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(characters, WIDTH)
        self.position = nn.Parameter(0.02 * torch.randn(CONTEXT, WIDTH))
        block = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, DEPTH, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, characters)

    def forward(self, text: Tensor) -> Tensor:
        """Scores of the next character, ``[n, characters, time]``, of text ``[n, time]``."""
        time = text.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(time)
        hidden = self.blocks(self.embed(text) + self.position[:time], mask=mask, is_causal=True)
        scores: Tensor = self.head(self.norm(hidden)).transpose(1, 2)
        return scores


@cache
def windows() -> tuple[Tensor, int]:
    """All texts in windows ``[n, CONTEXT + 1]``, in an order that is the same every time, and how many characters."""
    text = "".join(path.read_text(encoding="utf-8") for path in TEXTS)
    known = {character: number for number, character in enumerate(sorted(set(text)))}
    codes = torch.tensor([known[character] for character in text])
    parts = codes[: len(codes) // (CONTEXT + 1) * (CONTEXT + 1)].view(-1, CONTEXT + 1)
    return parts[torch.randperm(len(parts), generator=torch.Generator().manual_seed(0))], len(known)


def pairs(first: int, count: int) -> list[Batch]:
    """Windows as text and the characters that follow, 64 in a batch."""
    chosen = windows()[0][first : first + count]
    return [(part[:, :-1], part[:, 1:]) for part in chosen.split(64)]


def train(model: nn.Module, steps: int) -> None:
    """Train in place on all windows but the first 256."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    parts, stream = windows()[0][256:], torch.Generator().manual_seed(1)
    model.train()
    for _ in range(steps):
        batch = parts[torch.randint(len(parts), (32,), generator=stream)]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(batch[:, :-1]), batch[:, 1:]).backward()
        optimizer.step()
        schedule.step()
    model.eval()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the allocation, and the loss on text that it was not found with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500, help="of training")
    parser.add_argument("--chips", type=int, default=5)
    options = parser.parse_args(arguments)
    model = LanguageModel(windows()[1])
    train(model, options.steps)
    layers = {"blocks.*": HARDWARE, "head": HARDWARE}
    memrix.calibrate(model, [(text,) for text, _ in pairs(256, 64)], layers)
    found = memrix.allocate(model, HARDWARE, pairs(0, 64), "loss", layers=list(layers), chips=options.chips)
    print(found)
    memrix.calibrate(model, [(text,) for text, _ in pairs(256, 64)], found.hardware, keep_ranges=True)
    loss = memrix.Metric.of("loss")
    for name, hardware in {"uniform 3 bits": layers, "allocated": found.hardware}.items():
        figures = [
            loss.measure(memrix.program(model, hardware, seed=100 + chip), pairs(64, 128)).mean
            for chip in range(options.chips)
        ]
        print(f"{name}, other text and chips: {', '.join(f'{figure:.4f}' for figure in figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
