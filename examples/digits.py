"""Handwritten digits on memristor chips: the cost of low-bit weights, and what training recovers.

`python examples/digits.py` trains a small convolutional network on the digits that come with scikit-learn (1,797
images, no download) and programs it on five chips at 4, 3, 2 and 1.5 bits. It takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import memrix

CHIPS, READS = 5, 2
HARDWARE = memrix.Hardware.preset("physical").replace(adc=memrix.ADC(per_layer=True))


@dataclass(frozen=True)
class Digits:
    """Images ``[n, 1, 8, 8]`` from 0 to 1 and their classes, for training and for testing."""

    images: Tensor
    classes: Tensor
    test_images: Tensor
    test_classes: Tensor


def digits() -> Digits:
    """The digits of scikit-learn; a third is held out."""
    data = load_digits()
    parts = train_test_split(data.images / 16, data.target, test_size=1 / 3, random_state=0, stratify=data.target)
    images, test_images = (torch.from_numpy(part).float().unsqueeze(1) for part in parts[:2])
    classes, test_classes = (torch.from_numpy(part) for part in parts[2:])
    return Digits(images, classes, test_images, test_classes)


def network() -> nn.Module:
    """Two convolutions and two linear layers, 20,000 weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def train(model: nn.Module, data: Digits, steps: int, learning_rate: float = 2e-3) -> None:
    """Train in place with Adam and a falling learning rate."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for images, classes in _batches(data, steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), classes, label_smoothing=0.05).backward()
        optimizer.step()
        schedule.step()
    model.eval()


def _batches(data: Digits, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    stream = torch.Generator().manual_seed(1)
    for _ in range(steps):
        index = torch.randint(len(data.images), (64,), generator=stream)
        yield data.images[index], data.classes[index]


@torch.no_grad()
def accuracy(model: nn.Module, data: Digits) -> float:
    """Share of the held-out digits that are recognized, in percent."""
    hits = model(data.test_images).argmax(1) == data.test_classes
    return 100 * float(hits.float().mean())


def on_chips(model: nn.Module, data: Digits, hardware: memrix.Hardware) -> list[float]:
    """Accuracy in percent on each of five chips, with the ranges that the model was trained with."""
    memrix.calibrate(model, data.images.split(128), hardware, keep_ranges=True)
    accuracies = []
    for seed in range(CHIPS):
        chip = memrix.program(model, hardware, seed=seed)
        accuracies.append(statistics.mean(accuracy(chip, data) for _ in range(READS)))
    return accuracies


def study(bits: float, model: nn.Module, data: Digits, steps: int) -> list[tuple[str, float, list[float]]]:
    """Digital accuracy and accuracies on chips: without retraining, quantization-aware, hardware-aware."""
    hardware = HARDWARE.replace(weight_bits=bits)
    ways = {
        "not retrained": None,
        "quantization-aware": memrix.Quantization(),
        "device resampling": memrix.Quantization(device_resampling=True),
    }
    rows = []
    for name, quantization in ways.items():
        trained = copy.deepcopy(model)
        memrix.calibrate(trained, data.images.split(128), hardware)
        memrix.quantize(trained, hardware, quantization)
        if quantization is not None:
            train(trained, data, steps, learning_rate=1e-3)
        digital = accuracy(trained, data)
        rows.append((name, digital, on_chips(trained, data, hardware)))
        columns = hardware.replace(column_calibration=True)
        rows.append((f"{name}, column correction", digital, on_chips(trained, data, columns)))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or write it to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bits", type=float, nargs="+", default=[4, 3, 2, 1.5])
    parser.add_argument("--steps", type=int, default=1000, help="of training, and of each retraining")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    data, model = digits(), network()
    train(model, data, options.steps)
    reference = accuracy(model, data)
    lines = [
        f"Made by `python examples/digits.py`: {len(data.test_classes)} held-out digits, {reference:.1f} % of them "
        f"classified\ncorrectly in float. Mean, worst and best of {CHIPS} chips. Ternary weights (1.5 bits) are the "
        f"integers of 2 bits.",
        "",
        "| weight bits | training | quantized digitally, % | chip, % | worst | best | loss against float, points |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)
    for bits in options.bits:
        for name, digital, chips in study(bits, model, data, options.steps):
            mean = statistics.mean(chips)
            lines.append(
                f"| {bits:g} | {name} | {digital:.1f} | {mean:.1f} | {min(chips):.1f} | {max(chips):.1f} "
                f"| {reference - mean:+.1f} |"
            )
            print(lines[-1], flush=True)
    if options.output is not None:
        options.output.write_text("# Handwritten digits\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
