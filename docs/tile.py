"""Draws docs/tile.svg, the picture of the glossary: `python docs/tile.py`."""

from pathlib import Path

from drawing import ACCENT, INK, SOFT, box, cell, line, picture, text

LINES = [150 + 62 * i for i in range(4)]  # y of the word lines
# Two tiles, one for each bit slice, each with the differential pairs of two outputs: x of every pair of bit lines.
TILES = [[(230, 266), (330, 366)], [(470, 506), (570, 606)]]
SUMS = [338, 498]  # x of the digital sum of each output
# Weights 3, -1, 0, 2 and -2, 1, 3, -1: their magnitudes have a bit for each slice, most significant first.
WEIGHTS = [[3, -1, 0, 2], [-2, 1, 3, -1]]


def column(pair: tuple[int, int], output: int, bit: int, heights: tuple[int, int, int, int]) -> list[str]:
    """The differential pair of bit lines of an output in the tile of a bit, its converter and its way to the sum."""
    bottom, subtract, convert, total = heights
    center = sum(pair) / 2
    shapes = [text(center, 108, f"output {output + 1}", 12)]
    for sign, x in zip((1, -1), pair, strict=True):
        shapes += [line(x, 130, x, bottom + 14, SOFT), text(x, 125, "+" if sign > 0 else "−", 14)]
        for weight, y in zip(WEIGHTS[output], LINES, strict=True):
            shapes.append(cell(x, y, weight * sign > 0 and bool(abs(weight) >> bit & 1)))
    return [
        *shapes,
        line(pair[0], bottom + 14, center, subtract),
        line(pair[1], bottom + 14, center, subtract),
        f'<circle cx="{center}" cy="{subtract}" r="10" fill="#ffffff" stroke="{INK}"/>',
        text(center, subtract + 5, "−", 15),
        line(center, subtract + 10, center, convert),
        box(center - 28, convert, 56, 30, "ADC"),
        line(center, convert + 30, center, convert + 50),
        text(center + 18, convert + 46, f"× {1 << bit}"),
        line(center, convert + 50, SUMS[output], total, INK if output else ACCENT),
    ]


def drawing() -> str:
    """The whole picture."""
    bottom, subtract, convert, total = LINES[-1] + 40, LINES[-1] + 72, LINES[-1] + 106, LINES[-1] + 206
    shapes = [text(480, 30, "Two tiles of a crossbar: 4 of their 128 word lines, 2 outputs, 3-bit weights", 16)]
    for pairs in TILES:
        left, right = pairs[0][0] - 34, pairs[-1][1] + 34
        shapes.append(
            f'<rect x="{left}" y="92" width="{right - left}" height="{bottom - 92}" rx="8" fill="#fafafa" '
            f'stroke="{SOFT}"/>'
        )
    for i, y in enumerate(LINES):
        shapes += [
            text(34, y + 5, f"x<tspan dy='4' font-size='10'>{i + 1}</tspan>"),
            line(48, y, 76, y),
            box(76, y - 15, 56, 30, "DAC"),
            line(132, y, 632, y, SOFT),
            text(164, y - 7, f"U<tspan dy='4' font-size='10'>{i + 1}</tspan>"),
        ]
    for number, pairs in enumerate(TILES):
        bit = 1 - number
        shapes.append(text((pairs[0][0] + pairs[-1][1]) / 2, 82, f"tile of bit slice {bit}", 13, ACCENT))
        for output, pair in enumerate(pairs):
            shapes += column(pair, output, bit, (bottom, subtract, convert, total))
    for output, x in enumerate(SUMS):
        weights = ", ".join(map(str, WEIGHTS[output])).replace("-", "−")
        shapes += [
            text(298 + 240 * output, 56, f"output {output + 1}: weights {weights}"),
            f'<circle cx="{x}" cy="{total}" r="13" fill="#ffffff" stroke="{INK}"/>',
            text(x, total + 6, "Σ", 16),
            line(x, total + 13, x, total + 34),
            text(x, total + 52, f"y<tspan dy='4' font-size='10'>{output + 1}</tspan>"),
        ]
    notes = [
        (LINES[0], "word line: one input voltage"),
        (LINES[1], "cell, ON: conducts well"),
        (LINES[2], "cell, OFF: conducts little"),
    ]
    shapes += [cell(668, LINES[1], True), cell(668, LINES[2], False), line(656, LINES[0], 680, LINES[0], SOFT)]
    shapes += [text(690, y + 5, words, 12, anchor="start") for y, words in notes]
    steps = [
        (LINES[3] + 5, "a tile is a pair of arrays, whose columns"),
        (LINES[3] + 21, "(+ and −) are drawn side by side"),
        (bottom + 6, "bit line: adds the currents of its cells"),
        (subtract + 5, "differential pair: I⁺ − I⁻"),
        (convert + 20, "one conversion per tile and column"),
        (total + 5, "digital: tiles and bit slices are added,"),
        (total + 21, "then scaled by weight and input step"),
    ]
    shapes += [text(656, y, words, 12, anchor="start") for y, words in steps]
    return picture(960, 630, shapes)


if __name__ == "__main__":
    (Path(__file__).parent / "tile.svg").write_text(drawing(), encoding="utf-8")
