"""Charts of a chip: readings of ADCs, states of cells, wires of a tile."""

from __future__ import annotations

from collections.abc import Sequence

from memrix.reporting.chip_figures import BINS, SHOWN_LIMITS, AdcHistogram, LevelStates, WiresMap
from memrix.reporting.figures import Chart, axis_of, line_of
from memrix.studies.device_charts.style import BLACK, BLUE, VERMILLION
from memrix.studies.layer_charts import named
from memrix.studies.study_charts import COLORS


def adc_chart(found: AdcHistogram) -> Chart:
    """Readings of a layer; those that its ADCs clip in another color."""
    width = 2 * SHOWN_LIMITS * found.limit / BINS
    places = [(number - BINS // 2) * width for number in range(BINS)]
    shares = [100 * count / found.readings for count in found.counts]
    colors = [VERMILLION if abs(place) > found.limit else BLUE for place in places]
    bars = {"type": "bar", "x": places, "y": shares, "marker": {"color": colors}, "showlegend": False}
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"color": BLACK, "dash": "dot"}}
    limits = [{**line, "x0": end, "x1": end} for end in (-found.limit, found.limit)]
    y = axis_of("% of readings", type="log", range=[-4, 2.2], dtick=2, exponentformat="power")
    layout = {"xaxis": axis_of("reading"), "yaxis": y, "shapes": limits, "bargap": 0, "height": 230}
    return Chart(f"{named(found.name)}: {found.clipped:.2%} clipped", [bars], layout, small=True)


def states_chart(found: Sequence[LevelStates]) -> Chart:
    """States of the cells of each level."""
    places = [(number + 0.5) / BINS for number in range(BINS)]
    data = []
    for number, level in enumerate(found):
        shares = [100 * count / sum(level.counts) for count in level.counts]
        trace = line_of(level_name(level.level), places, shares, COLORS[number % len(COLORS)], shape="hvh")
        data.append({**trace, "fill": "tozeroy"})
    x = axis_of("state: 0 conducts most, 1 least", range=[0, 1])
    layout = {"xaxis": x, "yaxis": axis_of("% of the cells of a level"), "height": 360}
    return Chart("States of cells by the level that they were programmed to", data, layout)


def level_name(level: float) -> str:
    """ON, OFF, or the share of a level between them."""
    return {0.0: "OFF", 1.0: "ON"}.get(level, f"level {level:.3g}")


def wires_chart(found: WiresMap) -> Chart:
    """What arrives of the current of each cell of a tile."""
    shares = [[round(100 * share, 3) for share in row] for row in found.shares.tolist()]
    bar = {"title": {"text": "%"}, "thickness": 14}
    trace = {"type": "heatmap", "z": shares, "colorscale": "Viridis", "colorbar": bar}
    trace["hovertemplate"] = "word line %{y}, bit line %{x}: %{z:.1f} %<extra></extra>"
    y = axis_of("word line; ADCs are at the first", autorange="reversed")
    layout = {"xaxis": axis_of("bit line; drivers are at the first"), "yaxis": y, "height": 430}
    return Chart("Share of the current of each cell that counts, % (voltage share x current share)", [trace], layout)
