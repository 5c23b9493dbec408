"""Shapes that the drawings of the documentation are made of, as SVG: each function returns one element."""

from collections.abc import Iterable

INK, SOFT, ACCENT, PALE = "#333333", "#8a8a8a", "#0072b2", "#e8f1f8"
SECOND, WARM = "#d55e00", "#fbeee3"  # a second color, which color-blind readers tell from the first


def text(x: float, y: float, words: str, size: int = 13, color: str = INK, anchor: str = "middle") -> str:
    """A line of text around, or from, a point."""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" text-anchor="{anchor}">{words}</text>'


def line(x1: float, y1: float, x2: float, y2: float, color: str = INK, width: float = 1.5) -> str:
    """A straight line."""
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="{width}"/>'


def arrow(x1: float, y1: float, x2: float, y2: float, color: str = INK) -> str:
    """A horizontal or vertical line with a head at its end."""
    across = y1 == y2
    sign = 1 if (x2 > x1 if across else y2 > y1) else -1
    back, side = 8 * sign, 4
    head = (
        f"{x2 - back},{y2 - side} {x2 - back},{y2 + side}"
        if across
        else f"{x2 - side},{y2 - back} {x2 + side},{y2 - back}"
    )
    return line(x1, y1, x2, y2, color) + f'<polygon points="{x2},{y2} {head}" fill="{color}"/>'


def curve(points: Iterable[tuple[float, float]], color: str = INK, width: float = 2, fill: str = "none") -> str:
    """Straight lines from point to point; filled, the area that they enclose."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    kind = "polyline" if fill == "none" else "polygon"
    return f'<{kind} points="{path}" fill="{fill}" stroke="{color}" stroke-width="{width}"/>'


def box(x: float, y: float, width: float, height: float, label: str, fill: str = PALE) -> str:
    """A rectangle with words in it, one line for each."""
    shape = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="{fill}" stroke="{INK}"/>'
    lines = label.split("\n")
    first = y + height / 2 + 5 - 8 * (len(lines) - 1)
    return shape + "".join(text(x + width / 2, first + 16 * n, words) for n, words in enumerate(lines))


def cell(x: float, y: float, on: bool) -> str:
    """A memristor where a word line crosses a bit line: filled if it is ON."""
    return (
        f'<circle cx="{x}" cy="{y}" r="8" fill="{ACCENT if on else "#ffffff"}" stroke="{ACCENT}" stroke-width="2"/>'
    )


def picture(width: int, height: int, shapes: Iterable[str]) -> str:
    """The file of a drawing, on white ground."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="Helvetica, Arial, sans-serif">'
    )
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *shapes, "</svg>"]) + "\n"
