"""The Conformer of 163 million cells behind resistive wires, against the same with perfect wires."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import torch

import memrix
from benchmarks.arguments import require_no_arguments
from benchmarks.conformer import SECONDS, recognizer_and_audio
from benchmarks.report import Table
from benchmarks.timing import median_ratio, take_turns
from benchmarks.wires import BOUNDS, COMPENSATED, DONE, OHMS, without_fits

ROUNDS = 3


def run() -> Table:
    measured = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, check=True)
    figures = json.loads(measured.stdout.splitlines()[-1])
    rows = [
        (
            name,
            DONE[name],
            f"{figures[name]['seconds']:.1f}",
            f"{figures[name]['programming']:.2f}",
            BOUNDS["programming"],
            f"{figures[name]['reading']:.2f}",
            BOUNDS["reading"],
        )
        for name in DONE
    ]
    title = (
        f"Conformer of {figures['cells'] / 1e6:.0f} M cells behind wires of {OHMS} ohm a cell, separate arrays "
        f"driven on one side: times over those without wires"
    )
    head = ("preset, 3 bit", "wires", "programming, s", "x", "bound", f"hearing {SECONDS} s of audio, x", "bound")
    return Table(title, head, rows)


def measure() -> dict[str, object]:
    """Figures of a process of its own."""
    from memrix.asr.recognizer_files import chip_choice

    recognizer, audio, lengths = recognizer_and_audio()
    figures: dict[str, object] = {}
    for name in DONE:
        plain = without_fits(name)
        wired = plain.replace(wires=memrix.Wires(ohms_per_cell=OHMS))
        if name == "tuned":
            wired = wired.replace(**{COMPENSATED: True})
        memrix.calibrate(recognizer.network, [recognizer.inputs(audio[:1], lengths[:1])], plain)
        choices = {"wired": chip_choice(recognizer, wired), "plain": chip_choice(recognizer, plain)}
        programmed = take_turns(
            {key: lambda c=choice: memrix.program(recognizer.network, c) for key, choice in choices.items()},
            rounds=ROUNDS,
            warm_up=1,
        )
        chips = {key: memrix.program(recognizer.network, choice) for key, choice in choices.items()}
        running = {key: recognizer.with_network(chip) for key, chip in chips.items()}
        with torch.no_grad():
            heard = take_turns(
                {key: lambda r=chip: r(audio, lengths) for key, chip in running.items()}, rounds=ROUNDS, warm_up=1
            )
        figures["cells"] = memrix.summary(chips["wired"]).cells
        figures[name] = {
            "seconds": statistics.median(programmed["wired"]),
            "programming": median_ratio(programmed, "wired", "plain"),
            "reading": median_ratio(heard, "wired", "plain"),
        }
    return figures


if __name__ == "__main__":
    require_no_arguments(__doc__)
    print(json.dumps(measure()))
