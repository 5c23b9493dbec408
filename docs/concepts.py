"""Draws the pictures of docs/concepts.md: `python docs/concepts.py`. Curves and histograms are those of memrix."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from drawing import ACCENT, PALE, SECOND, SOFT, WARM, arrow, box, cell, curve, line, picture, text

from memrix import ADC, DAC, ResetRamp, ResetSet
from memrix.crossbar.adc import convert_
from memrix.crossbar.protocols import ProgrammingProtocol, Stream
from memrix.device import CellCurrent, load_parameters

PARAMETERS = load_parameters()
CURRENT = CellCurrent(PARAMETERS)
ON, OFF = ResetSet().nominal_states(PARAMETERS)
READ = DAC().vmax


def flow() -> str:
    """From a network to a chip, and what is done with a chip."""
    shapes = [
        box(20, 60, 150, 60, "network\nin float", "#ffffff"),
        arrow(170, 90, 300, 90),
        text(235, 80, "calibrate", 13, ACCENT),
        box(300, 60, 170, 60, "network with\nactivation ranges", "#ffffff"),
        arrow(470, 90, 620, 90),
        text(545, 80, "program", 13, ACCENT),
        box(620, 60, 150, 60, "chip:\nsimulated cells"),
        arrow(770, 90, 870, 90),
        text(820, 80, "age", 13, ACCENT),
        box(870, 60, 130, 60, "the same chip,\nolder"),
        line(95, 120, 95, 190),
        arrow(95, 190, 300, 190),
        text(195, 180, "quantize", 13, ACCENT),
        box(300, 160, 170, 60, "fake-quantized\nnetwork", "#ffffff"),
        text(385, 240, "train with low-bit weights", 12),
        line(470, 190, 660, 190),
        arrow(660, 190, 660, 120),
        text(555, 180, "calibrate, program", 13, ACCENT),
        arrow(730, 120, 730, 160),
        box(690, 160, 200, 60, "summary, costs,\nmonte_carlo, attribution", WARM),
        text(510, 30, "Functions of memrix between a network and a chip", 16),
    ]
    return picture(1020, 260, shapes)


def _axes(x: float, y: float, width: float, height: float, across: str, up: str) -> Iterator[str]:
    """Axes with their names; (x, y) is the lower left corner."""
    yield line(x, y, x + width, y, SOFT)
    yield line(x, y, x, y - height, SOFT)
    yield text(x + width / 2, y + 38, across, 12)
    yield text(x, y - height - 10, up, 12, anchor="start")


def cell_current() -> str:
    """Currents of an ON and an OFF cell over the voltage."""
    left, bottom, width, height, widest = 70, 330, 520, 270, 0.6
    top = CURRENT.of(ON, widest) * 1.1e6

    def place(volts: float, microamperes: float) -> tuple[float, float]:
        return left + width * (volts + widest) / (2 * widest), bottom - height * (microamperes / top + 1) / 2

    volts = [widest * (n / 30 - 1) for n in range(61)]
    (x1, _), (x2, _) = place(-READ, 0), place(READ, 0)
    shapes = [
        f'<rect x="{x1}" y="{bottom - height}" width="{x2 - x1}" height="{height}" fill="{PALE}"/>',
        text((x1 + x2) / 2, bottom - 10, "voltages of a reading", 12),
        *_axes(left, bottom, width, height, "voltage across the cell, V", "current, uA"),
        text(330, 24, "A cell stores a state r, by which it conducts more or less", 16),
    ]
    shapes += [
        text(place(v, 0)[0], bottom + 18, f"{v:+.1f}" if v else "0", 11) for v in (-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6)
    ]
    shapes += [text(left - 6, place(0, a)[1] + 4, f"{a}".replace("-", "−"), 11, anchor="end") for a in (-100, 0, 100)]
    shapes.append(line(*place(-widest, 0), *place(widest, 0), SOFT, 0.7))
    levels = [
        (ON + (OFF - ON) * share, SOFT, 1, "levels between them" if share == 0.5 else "")
        for share in (0.25, 0.5, 0.75)
    ]
    kinds = [(ON, ACCENT, 2.5, f"ON cell, r = {ON:.2f}"), *levels, (OFF, SECOND, 2.5, f"OFF cell, r = {OFF:.2f}")]
    for state, color, weight, name in kinds:
        points = [place(v, CURRENT.of(state, v) * 1e6) for v in volts]
        shapes.append(curve(points, color, weight))
        shapes.append(text(left + width + 8, points[-1][1] + 4, name, 12, color, "start"))
    return picture(780, 385, shapes)


def slices() -> str:
    """The weight -5 in bit slices, and at one of many levels."""
    shapes = [
        text(390, 28, "The weight −5 with 4 bits: a sign and 3 bits of magnitude, 5 = 4 + 0 + 1", 16),
        text(230, 66, "bit-sliced: one differential pair for each bit", 14, ACCENT),
        text(640, 66, "multi-level: one pair", 14, ACCENT),
    ]
    for number, bit in enumerate((2, 1, 0)):
        x, on = 80 + 140 * number, 5 >> bit & 1
        shapes += [*_pair(x, False, bool(on)), text(x + 20, 226, f"bit {bit}: × {1 << bit}", 13)]
        shapes += [text(x + 20, 246, f"reads {-on}".replace("-", "−"), 12)]
    shapes += _pair(620, False, False)
    shapes += [
        f'<path d="M 660 150 m -8 0 a 8 8 0 0 0 16 0 z" fill="{ACCENT}"/>',
        text(640, 226, "a level of 5/7", 13),
        text(640, 246, "between OFF and ON", 12),
        text(390, 285, "4 × (−1) + 2 × 0 + 1 × (−1) = −5, added digitally after the ADCs", 13),
    ]
    return picture(780, 300, shapes)


def _pair(x: float, plus: bool, minus: bool) -> list[str]:
    """The two cells of a differential pair on their bit lines."""
    shapes = [line(x - 30, 150, x + 70, 150, SOFT)]
    for shift, name, on in ((0, "+", plus), (40, "−", minus)):
        shapes += [line(x + shift, 110, x + shift, 196, SOFT), text(x + shift, 104, name), cell(x + shift, 150, on)]
    return shapes


def converters() -> str:
    """What a DAC and an ADC do, with few bits."""
    dac, adc = DAC(bits=4, levels="equal"), ADC(precision_bits=1, range_bits=3)
    shapes = [text(400, 28, "Converters with few bits: a DAC of 4, an ADC of 1 bit of precision and 3 of range", 16)]
    shapes += _axes(60, 290, 280, 220, "input of the layer, in activation ranges", "voltage of the word line, V")
    inputs = torch.linspace(-1.25, 1.25, 401)
    codes = dac.codes(inputs, torch.tensor(1 / dac.largest_code))
    volts = codes / dac.largest_code * dac.vmax
    shapes.append(
        curve([(200 + 112 * i, 180 - 250 * v) for i, v in zip(inputs.tolist(), volts.tolist(), strict=True)], ACCENT)
    )
    shapes += [text(200 + 112 * v, 308, f"{v:+g}" if v else "0", 11) for v in (-1, 0, 1)]
    shapes += [text(54, 184 - 250 * v, f"{v:+g}" if v else "0", 11, anchor="end") for v in (-0.4, 0, 0.4)]
    shapes += _axes(480, 290, 280, 220, "reading, in ON cells", "result of the ADC")
    readings = torch.linspace(-6, 6, 601)
    results = readings / adc.step
    convert_(results, adc.largest_code)
    results *= adc.step
    shapes.append(
        curve(
            [(620 + 23 * r, 180 - 23 * y) for r, y in zip(readings.tolist(), results.tolist(), strict=True)], ACCENT
        )
    )
    shapes += [text(620 + 23 * r, 308, f"{r:+d}" if r else "0", 11) for r in (-4, 0, 4)]
    shapes += [text(474, 184 - 23 * r, f"{r:+d}" if r else "0", 11, anchor="end") for r in (-4, 0, 4)]
    shapes += [text(752, 76, "clipped", 12, SECOND, "end"), text(332, 76, "clipped", 12, SECOND, "end")]
    return picture(800, 345, shapes)


def spread() -> str:
    """Currents of 20,000 cells of each target after two protocols."""
    shapes = [text(400, 28, f"Currents at {READ} V of programmed cells, in units of a nominal ON cell", 16)]
    for number, (name, protocol) in enumerate({"reset-set": ResetSet(), "closed-loop ramp": ResetRamp()}.items()):
        x, bottom, width = 60 + 390 * number, 290, 320
        shapes += [*_axes(x, bottom, width, 210, "current", ""), text(x + width / 2, 66, name, 14, ACCENT)]
        for target, color in ((False, SECOND), (True, ACCENT)):
            counts = torch.histc(_currents(protocol, target), 60, 0.0, 1.2)
            heights = (counts / counts.max() * 190).tolist()
            points = [(x, bottom)] + [(x + width * (n + 0.5) / 60, bottom - h) for n, h in enumerate(heights)]
            shapes.append(curve([*points, (x + width, bottom)], color, 1.5, "#ffffff00"))
            center = x + width * float(_currents(protocol, target).mean()) / 1.2
            shapes.append(text(center, 92, "ON" if target else "OFF", 12, color))
        shapes += [text(x + width * v / 1.2, bottom + 18, f"{v:g}", 11) for v in (0, 0.5, 1)]
    return picture(800, 345, shapes)


def _currents(protocol: ProgrammingProtocol, on: bool, count: int = 20_000) -> torch.Tensor:
    streams = {use: Stream.of(0, use) for use in ("chip", "programming")}
    states = protocol.program(torch.full((count,), on), PARAMETERS, **streams).states
    return CURRENT.of(states, READ) / CURRENT.of(ON, READ)


def seeds() -> str:
    """The three streams of a seed, and what they draw."""
    shapes = [
        text(400, 28, "Three seeds, three kinds of chance", 16),
        box(20, 120, 130, 60, "memrix.Seeds", "#ffffff"),
    ]
    rows = {
        "chip": "the devices: how cells differ from each\nother; stuck cells; errors of converters",
        "programming": "the cycle: how a cell differs from one\nprogramming to the next; relaxation",
        "read": "the reading: thermal and shot noise,\nnoise of ADCs",
    }
    for number, (name, what) in enumerate(rows.items()):
        y = 60 + 85 * number
        shapes += [line(150, 150, 210, y + 30), box(210, y, 150, 60, name), arrow(360, y + 30, 410, y + 30)]
        shapes.append(box(410, y, 360, 60, what, WARM))
    return picture(800, 310, shapes)


PICTURES: dict[str, Callable[[], str]] = {
    "flow": flow,
    "cell": cell_current,
    "slices": slices,
    "converters": converters,
    "spread": spread,
    "seeds": seeds,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        (Path(__file__).parent / f"{name}.svg").write_text(PICTURES[name](), encoding="utf-8")
