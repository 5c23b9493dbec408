"""A chip one second, an hour, a day and a month after its programming, as it is and after a service visit.

`python examples/aging.py` trains the network of `examples/digits.py` at 4 bits, programs it once on each of three
chips for every law, and lets these age: nothing is programmed again. It takes about three minutes on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from digits import Digits, accuracy, digits, network, train
from torch import nn

import memrix

TIMES = {"as programmed": 0, "1 s": 1, "1 hour": 3600, "1 day": 86400, "30 days": 30 * 86400}
LAWS: dict[str, dict[str, object]] = {
    "power law, `nu` = 0.05 ± 0.01": {"drift": memrix.Drift(exponent=0.05, exponent_spread=0.01)},
    "power law, `nu` = 0.05 ± 0.02": {"drift": memrix.Drift(exponent=0.05, exponent_spread=0.02)},
    "logarithmic, HfOx with a conductive metal oxide": {"drift": memrix.Drift.metal_oxide()},
    "the same, relaxation 2 %, telegraph noise 1 %": {
        "drift": memrix.Drift.metal_oxide(),
        "relaxation": memrix.Relaxation(share=0.02),
        "telegraph": memrix.TelegraphNoise(share=0.01),
    },
}
WHY = """\
A power law with one exponent shrinks all weights by the same factor. Every output becomes smaller, which counts
fully as error, and the largest one mostly remains the largest, so digits are still recognized. The spread of the
exponents does change which one is largest, and so do biases, which do not shrink."""
RECIPE = """\
The same for your model ([Time](guide.md#time) in the guide has the laws, and what aging keeps and changes):

```python
hardware = hardware.replace(drift=memrix.Drift(exponent=0.05, exponent_spread=0.01), column_calibration=True)
memrix.calibrate(model, batches, hardware)
chip = memrix.program(model, hardware)
month = memrix.age(chip, seconds=30 * 86400)
serviced = memrix.recalibrate(month, batches)
```
"""


@torch.no_grad()
def relative_error(chip: nn.Module, reference: torch.Tensor, data: Digits) -> float:
    """Of the outputs for the held-out digits, in percent."""
    return 100 * float((chip(data.test_images) - reference).norm() / reference.norm())


def rows(model: nn.Module, data: Digits, hardware: memrix.Hardware, chips: int) -> Iterator[str]:
    """A line of the table for each time: means over chips."""
    batches = data.images.split(128)
    memrix.calibrate(model, batches, hardware, keep_ranges=True)
    programmed = [memrix.program(model, hardware, seed=seed) for seed in range(chips)]
    with torch.no_grad():
        reference = model(data.test_images)
    for name, seconds in TIMES.items():
        aged = [memrix.age(chip, seconds=seconds) if seconds else chip for chip in programmed]
        visited = [memrix.recalibrate(chip, batches) for chip in aged]
        cells = [name]
        for state in (aged, visited):
            correct = statistics.mean(accuracy(chip, data) for chip in state)
            error = statistics.mean(relative_error(chip, reference, data) for chip in state)
            cells += [f"{correct:.1f}", f"{error:.1f}"]
        yield " | ".join(cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or write it to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hardware", default="tuned", help="preset or file")
    parser.add_argument("--steps", type=int, default=1000, help="of training, and of retraining at 4 bits")
    parser.add_argument("--chips", type=int, default=3)
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    data, model, hardware = digits(), network(), memrix.Hardware.named(options.hardware)
    train(model, data, options.steps)
    memrix.calibrate(model, data.images.split(128), hardware)
    memrix.quantize(model, hardware, memrix.Quantization())
    train(model, data, options.steps, learning_rate=1e-3)
    right = accuracy(model, data)
    lines = [
        f"Made by `python examples/aging.py`: {len(data.test_classes)} held-out digits, {right:.1f} % of them "
        f"classified\ncorrectly by the quantized network. Preset `{options.hardware}`, mean of "
        f"{options.chips} chips, each programmed once.\nWires of {hardware.wires.ohms_per_cell:g} ohm a cell, word "
        f"lines up to {hardware.dac.vmax:g} V. *Error*: relative error of the chip's outputs against those of\nthe "
        f"quantized network. Exponents of the power law are examples; no retention was measured on this device.",
        "",
        WHY,
        "",
        "| law | time | digits, % | error, % | digits after recalibration, % | error after recalibration, % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)
    for law, changes in LAWS.items():
        for row in rows(model, data, hardware.replace(**changes), options.chips):
            lines.append(f"| {law} | {row} |")
            print(lines[-1], flush=True)
    if options.output is not None:
        options.output.write_text("# A chip that ages\n\n" + "\n".join(lines) + f"\n\n{RECIPE}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
