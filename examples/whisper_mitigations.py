"""How much of the error of Whisper tiny.en on a chip each mitigation technique removes, and what still limits it.

`python examples/whisper_mitigations.py` programs the encoder of the recognizer (7 M weights) on chips that differ by
one mitigation technique each, and compares their outputs on real recordings with those of the float network. It takes
about fifteen minutes on two cores. Model and recordings are downloaded on the first run.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

import memrix
from memrix.asr.corpora.catalog import load_corpus
from memrix.asr.corpus import shorter_than, split
from memrix.asr.evaluation.batches import batch_of
from memrix.asr.seq2seq.pretrained import load_seq2seq

LONGEST_CLIP = 10.0  # s
BATCH = 4
HEAD = ("chip", "relative error", "x quantized", "clipped %", "pulses per cell", "s to program")
SELECTION = "layers.*"

_RANGES = {"abs-max": "abs-max weight ranges", "mean-square-error": "weight ranges of least squared error"}


def mitigations(bits: float) -> Iterator[tuple[str, memrix.Hardware]]:
    """Chips that add one mitigation technique each; then tuned chips that remove one limit each."""
    hardware = memrix.Hardware.preset("physical").replace(weight_bits=bits)
    yield "reset-set, equal DAC steps, ADC 4/4", hardware
    for name, changes in (
        ("+ linearizing DAC", {"dac.levels": "linearizing"}),
        ("+ ADC fitted per layer", {"adc.per_layer": True}),
        ("+ per-column gain and offset", {"column_calibration": True}),
        ("+ closed-loop ramp: preset `tuned`", {"programming": "reset-ramp"}),
    ):
        hardware = hardware.replace(**changes)
        yield name, hardware
    yield "tuned, multi-level", hardware.replace(mapping="multi-level")
    yield "tuned, no read noise", hardware.replace(noise="off")
    yield "tuned, ADC of 14 bits", hardware.replace(**{"adc.precision_bits": 7, "adc.range_bits": 7})
    yield "tuned, ideal cells", hardware.replace(programming="ideal")
    yield "tuned, weight ranges of least squared error", hardware.replace(weight_range="mean-square-error")


class Comparison:
    """Encoders on chips against the float one, on the same recordings."""

    def __init__(self, utterances: int, calibration: int) -> None:
        recognizer = load_seq2seq("whisper-tiny.en")
        corpus = shorter_than(load_corpus("asterisk"), LONGEST_CLIP)
        evaluated, held = split(corpus, utterances, calibration, 0)
        self.encoder: nn.Module = recognizer.network.get_encoder()
        self.features, test_vectors = (
            [
                recognizer.inputs(batch_of(recognizer, part.utterances[i : i + BATCH]))["input_features"]
                for i in range(0, len(part.utterances), BATCH)
            ]
            for part in (evaluated, held)
        )
        self.reference = self._outputs(self.encoder)
        tuned = memrix.Hardware.preset("tuned")
        memrix.calibrate(self.encoder, test_vectors, {"*": None, SELECTION: tuned})

    @torch.no_grad()
    def _outputs(self, encoder: nn.Module) -> list[Tensor]:
        return [encoder(features).last_hidden_state for features in self.features]

    def error(self, encoder: nn.Module) -> float:
        """Root of the energy of the deviation from float over that of float."""
        outputs = self._outputs(encoder)
        deviation = sum(float((y - r).square().sum()) for y, r in zip(outputs, self.reference, strict=True))
        energy = sum(float(r.square().sum()) for r in self.reference)
        return (deviation / energy) ** 0.5

    def rows(self, bits: float) -> Iterator[tuple[str, ...]]:
        """One row for each chip, and one for the digitally quantized encoder with its weight ranges before."""
        digital: dict[str, float] = {}
        for name, hardware in mitigations(bits):
            ranges = hardware.weight_range
            if ranges not in digital:
                fake_quantized = copy.deepcopy(self.encoder)
                memrix.quantize(fake_quantized, {"*": None, SELECTION: hardware})
                digital[ranges] = self.error(fake_quantized)
                yield f"quantized digitally, {_RANGES[ranges]}", f"{digital[ranges]:.4f}", "1", "", "", ""
            start = time.perf_counter()
            chip = memrix.program(self.encoder, {"*": None, SELECTION: hardware})
            seconds = time.perf_counter() - start
            error = self.error(chip)
            summary = memrix.summary(chip)
            yield (
                name,
                f"{error:.4f}",
                f"{error / digital[ranges]:.3f}",
                f"{100 * summary.clipped_share:.3f}",
                f"{summary.pulses / summary.cells:.1f}",
                f"{seconds:.0f}",
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, or write them to a file too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bits", type=float, nargs="+", default=[6, 5])
    parser.add_argument("--utterances", type=int, default=8)
    parser.add_argument("--calibration", type=int, default=16, help="utterances for ranges and calibration samples")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    comparison = Comparison(options.utterances, options.calibration)
    text = (
        f"# Mitigation techniques: the encoder of Whisper tiny.en on a chip\n\n"
        f"Made by `python examples/whisper_mitigations.py`: relative error of the encoder's\noutput against float, "
        f"on {options.utterances} recordings of the Asterisk prompts;\nranges and calibration samples from "
        f"{options.calibration} others. Not retrained.\n"
    )
    print(text, end="", flush=True)
    for bits in options.bits:
        for line in (f"\n## {bits:g} bits\n", _line(HEAD), _line(["---"] * len(HEAD))):
            text += line + "\n"
            print(line, flush=True)
        for row in comparison.rows(bits):
            text += _line(row) + "\n"
            print(_line(row), flush=True)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
