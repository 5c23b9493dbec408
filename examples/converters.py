"""What errors of converters cost one layer, before and after the correction of its columns.

`python examples/converters.py` programs a layer of 128 x 128 normally distributed weights, reads it through ADCs that
have one error at a time, and compares its outputs with those of the same chips with ADCs of 24 bits. Half a minute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
from torch import nn

import memrix

FINE = {"adc.precision_bits": 12, "adc.range_bits": 12}
ERRORS: dict[str, dict[str, object]] = {
    "none": {},
    "offset of 1 LSB": {"adc.offset_error": 1.0},
    "gain of 1 %": {"adc.gain_error": 0.01},
    "offset of 1 LSB and gain of 1 %": {"adc.offset_error": 1.0, "adc.gain_error": 0.01},
    "the same, one ADC for 8 columns": {
        "adc.offset_error": 1.0,
        "adc.gain_error": 0.01,
        "adc.columns_per_converter": 8,
    },
    "unit capacitors of 1 %": {"adc.capacitor_mismatch": 0.01},
    "unit capacitors of 5 %": {"adc.capacitor_mismatch": 0.05},
    "noise of 0.5 LSB": {"adc.noise": 0.5},
    "lowest bit stuck": {"adc.stuck_lsb": 1.0},
    "DAC levels of 0.1 LSB": {"dac.level_mismatch": 0.1},
}
SIZE = 128


def batches(seed: int, count: int) -> list[torch.Tensor]:
    """Input vectors, 64 a batch."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(64, SIZE, generator=generator) for _ in range(count)]


@torch.no_grad()
def output_error(model: nn.Module, hardware: memrix.Hardware, errors: dict[str, object], chips: int) -> float:
    """Change of outputs by the ADCs, as a share of the outputs, root mean square over chips."""
    unseen, total = torch.cat(batches(1, 8)), 0.0
    for seed in range(chips):
        exact, output = (
            memrix.program(model, hardware.replace(**changes), seed=seed)(unseen) for changes in (FINE, errors)
        )
        total += float((output - exact).square().sum() / exact.square().sum()) / chips
    return total**0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware", default="physical", help="a preset or a file")
    parser.add_argument("--weight-bits", type=float, help="by default those of the hardware")
    parser.add_argument("--chips", type=int, default=5)
    given = parser.parse_args(arguments)
    hardware = memrix.Hardware.named(given.hardware).replace(noise="off", column_calibration=True)
    if given.weight_bits is not None:
        hardware = hardware.replace(weight_bits=given.weight_bits)
    torch.manual_seed(0)
    model = nn.Linear(SIZE, SIZE, bias=False)
    memrix.calibrate(model, batches(0, 8), hardware)
    print("| error, standard deviation | output error | after column correction |\n|---|---|---|")
    for name, errors in ERRORS.items():
        shares = [
            output_error(model, hardware.replace(column_calibration=corrected), errors, given.chips)
            for corrected in (False, True)
        ]
        print(f"| {name} | {shares[0]:.2%} | {shares[1]:.2%} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
