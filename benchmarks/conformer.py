"""The Conformer of arXiv 2505.24721 (42 million random weights, 3 bit) hears a minute of audio on a chip."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import memrix
from benchmarks.arguments import require_no_arguments
from benchmarks.report import Table

if TYPE_CHECKING:
    from memrix.asr.recognizer import Recognizer

SECONDS = 60  # of audio: six clips of ten seconds
CLIPS = 6
LABELS = 79
BOUNDS = {"seconds": 60, "gigabytes": 3}  # of programming


def run() -> Table:
    measured = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, check=True)
    figures = json.loads(measured.stdout.splitlines()[-1])
    digital = figures["digital"]
    rows = [
        ("in float", "", "", f"{digital:.1f}", f"{digital / SECONDS:.3f}", "1"),
        *(
            (
                f"on a chip, noise {noise}",
                f"{figures['cells'] / 1e6:.0f} M cells in {figures['programming']:.1f} s (bound {BOUNDS['seconds']})",
                f"{figures['gigabytes']:.2f} (bound {BOUNDS['gigabytes']})",
                f"{seconds:.1f}",
                f"{seconds / SECONDS:.3f}",
                f"{seconds / digital:.1f}",
            )
            for noise, seconds in figures["chip"].items()
        ),
    ]
    head = ("", "programming", "peak memory when programmed, GB", "s", "real-time factor", "x float")
    return Table(f"Conformer, 42 million parameters, 3 bit, reset-set: {SECONDS} s of audio", head, rows)


def recognizer_and_audio() -> tuple[Recognizer, Tensor, Tensor]:
    """The recognizer, clips ``[clips, samples]`` and their lengths in samples."""
    from memrix.asr.labels import PhonemeLabels
    from memrix.asr.models.conformer import PRESETS
    from memrix.asr.recognizer_files import new_recognizer

    torch.manual_seed(0)
    words = {f"w{number}": ((f"p{number}",),) for number in range((LABELS - 1) // 2)}
    samples = SECONDS * 16000 // CLIPS
    recognizer = new_recognizer(PRESETS["paper"], PhonemeLabels(words)).eval()
    return recognizer, torch.randn(CLIPS, samples), torch.full((CLIPS,), samples)


def measure() -> dict[str, object]:
    """Figures of a process of its own."""
    from memrix.asr.recognizer_files import chip_choice

    recognizer, audio, lengths = recognizer_and_audio()
    hardware = memrix.Hardware.preset("physical").replace(weight_bits=3)
    with torch.no_grad():
        memrix.calibrate(recognizer.network, [recognizer.inputs(audio[:1], lengths[:1])], hardware)
        recognizer(audio, lengths)
        start = time.perf_counter()
        recognizer(audio, lengths)
        digital = time.perf_counter() - start
        start = time.perf_counter()
        chip = memrix.program(recognizer.network, chip_choice(recognizer, hardware))
        programming = time.perf_counter() - start
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        heard = {}
        for noise in ("off", "physical"):
            running = recognizer.with_network(
                memrix.program(recognizer.network, chip_choice(recognizer, hardware.replace(noise=noise)))
            )
            start = time.perf_counter()
            running(audio, lengths)
            heard[noise] = time.perf_counter() - start
    return {
        "cells": memrix.summary(chip).cells,
        "programming": programming,
        "gigabytes": kilobytes * 1024 / 1e9,
        "digital": digital,
        "chip": heard,
    }


if __name__ == "__main__":
    require_no_arguments(__doc__)
    print(json.dumps(measure()))
