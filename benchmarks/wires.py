"""Programming and reading with resistive wires, against the same without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import memrix
from benchmarks.arguments import require_no_arguments
from benchmarks.report import Table
from benchmarks.timing import median_ratio, take_turns

OHMS = 0.35
SHAPES = ((512, 2048), (2048, 512))  # inputs and outputs, of feed-forward layers of a Conformer of 42 M parameters
BATCH, SAMPLES = 256, 1024
ROUNDS = {"programming": 5, "reading": 15}
BOUNDS = {"programming": "1.5", "reading": "1.02"}
COMPENSATED = "programming.compensate_wires"
DONE = {"physical": "nothing done", "tuned": "programmed for the wires"}


def without_fits(preset: str) -> memrix.Hardware:
    """A preset of 3 bits without what is fitted to a programmed chip.

    Fits take the same time with and without wires, and would hide what wires take.
    """
    plain = memrix.Hardware.preset(preset).replace(weight_bits=3)
    return plain.replace(column_calibration=False, **{"adc.per_layer": False})


def run() -> Table:
    torch.manual_seed(0)
    network = _Side(nn.ModuleList(nn.Linear(*shape) for shape in SHAPES))
    inputs = [torch.randn(BATCH, inputs) for inputs, _ in SHAPES]
    plain = {name: without_fits(name) for name in DONE}
    memrix.calibrate(network, [tuple(torch.randn(SAMPLES, inputs) for inputs, _ in SHAPES)], plain["tuned"])
    rows = []
    for name, arrays, drive in (
        *(
            ("physical", arrays, drive)
            for arrays in ("separate", "interleaved")
            for drive in ("one-side", "both-sides")
        ),
        *(("tuned", arrays, "one-side") for arrays in ("separate", "interleaved")),
    ):
        wired = plain[name].replace(wires=memrix.Wires(ohms_per_cell=OHMS, arrays=arrays, drive=drive))
        if name == "tuned":
            wired = wired.replace(**{COMPENSATED: True})
        programming = _ratio("programming", lambda hardware: memrix.program(network, hardware), wired, plain[name])
        chips = [memrix.program(network, hardware) for hardware in (wired, plain[name])]
        reading = _ratio("reading", lambda chip: chip(*inputs), *chips)
        rows.append(
            (name, f"{arrays}, {drive}", DONE[name], programming, BOUNDS["programming"], reading, BOUNDS["reading"])
        )
    cells = memrix.summary(chips[0]).cells
    title = f"Wires of {OHMS} ohm a cell: {cells / 1e6:.0f} M cells of two layers, times over those without wires"
    head = ("preset, 3 bit", "arrays, drivers", "wires", "programming", "bound", f"reading {BATCH} vectors", "bound")
    return Table(title, head, rows)


class _Side(nn.Module):
    """Layers side by side."""

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        with torch.no_grad():
            return [layer(x) for layer, x in zip(self.layers, inputs, strict=True)]


def _ratio(what: str, call: Callable[[Any], object], wired: object, plain: object) -> str:
    turns = {"wired": lambda: call(wired), "plain": lambda: call(plain)}
    return f"{median_ratio(take_turns(turns, rounds=ROUNDS[what], warm_up=1), 'wired', 'plain'):.2f}"


if __name__ == "__main__":
    require_no_arguments(__doc__)
    print(run().to_markdown(), end="")
