"""Figures of plotly.js as plain tables: what charts of a report are made of."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memrix.studies.device_charts.style import BLACK
from memrix.studies.layer_charts import named

Trace = dict[str, Any]
_ROW, _FRAME = 24, 110  # pixels of a bar with its share of the gap, and of all that is around the bars
STROKE = {"symbol": "line-ns-open", "size": 18, "color": BLACK, "line": {"width": 2}}


@dataclass(frozen=True)
class Chart:
    """A figure of plotly.js.

    Attributes:
        title: what it shows, in a line of plain text.
        data: traces.
        layout: of the figure.
        small: whether several fit beside each other.
    """

    title: str
    data: list[Trace]
    layout: dict[str, Any]
    small: bool = False

    @property
    def legend(self) -> dict[str, tuple[str, str]]:
        """Color and kind of key of each name; in HTML, since the legend of plotly.js takes the room of the chart."""
        shown = [trace for trace in self.data if trace.get("showlegend", True) and "name" in trace]
        return {html.unescape(trace["name"]): _key(trace) for trace in shown} if len(shown) > 1 else {}


def _key(trace: Trace) -> tuple[str, str]:
    """Color of a trace, and a class of the style sheet."""
    if trace["type"] == "bar":
        return trace["marker"]["color"], "box"
    line, mode = trace["line"], trace["mode"]
    if trace.get("fill"):
        return line["color"], "band"
    mark = "mark" if trace.get("marker", {}).get("symbol") == STROKE["symbol"] else "dot"
    return line["color"], mark if mode == "markers" else line.get("dash", "line")


def text(name: object) -> str:
    """Text for plotly.js, which takes some tags for markup."""
    return html.escape(str(name), quote=False)


def axis_of(title: str = "", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """An axis with a title."""
    return {"title": {"text": text(title)}, "automargin": True, "zeroline": False, **more}


def ticks_of(names: Sequence[str], title: str = "", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """An axis with names at 0, 1, 2 and so on."""
    return axis_of(title, tickvals=list(range(len(names))), ticktext=list(map(text, names)), showgrid=False, **more)


def rows_of(names: Sequence[str]) -> dict[str, Any]:
    """A vertical axis with names of rows, from top to bottom."""
    return ticks_of(list(map(named, names)), range=[len(names) - 0.4, -0.6])


def tall(rows: int) -> int:
    """Height of a chart of rows, in pixels."""
    return _FRAME + _ROW * max(rows, 2)


def line_of(label: str, x: Sequence[float], y: Sequence[float], color: str, **more: Any) -> Trace:  # noqa: ANN401
    """A line through points; ``more``: of its style."""
    line = {"color": color, "width": 1.5, **more}
    return {"type": "scatter", "mode": "lines", "name": text(label), "x": list(x), "y": list(y), "line": line}


def bars_in_rows(label: str, values: Sequence[float], color: str, **more: Any) -> Trace:  # noqa: ANN401
    """Horizontal bars, one in each row."""
    known = {"type": "bar", "orientation": "h", "name": text(label), "marker": {"color": color}}
    return {**known, "x": list(values), "y": list(range(len(values))), **more}


def error_bars(below: Sequence[float], above: Sequence[float]) -> dict[str, Any]:
    """Bars of intervals: how far they reach below and above each point."""
    return {"type": "data", "symmetric": False, "arrayminus": list(below), "array": list(above), "thickness": 1.2}
