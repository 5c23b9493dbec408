"""Charts of results: what the charts of matplotlib show too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from textwrap import wrap

from memrix.costing import Costs
from memrix.costing.units import scale_of_joule
from memrix.reporting.evaluation import Evaluation
from memrix.reporting.figures import (
    STROKE,
    Chart,
    Trace,
    axis_of,
    bars_in_rows,
    error_bars,
    line_of,
    rows_of,
    tall,
    text,
    ticks_of,
)
from memrix.studies.allocation_result import Allocation
from memrix.studies.attribution_result import Attribution, LayerCauses
from memrix.studies.cost_chart import ELSEWHERE, energies, parts_of, totals_of
from memrix.studies.device_charts.style import BLACK, BLUE, GRAY, ORANGE, SKY
from memrix.studies.layer_charts import MOST_BARS, bars_of
from memrix.studies.monte_carlo_result import MonteCarloResult
from memrix.studies.sensitivity_result import Sensitivity
from memrix.studies.study_charts import COLORS, lines_of, title_of
from memrix.studies.sweep_result import SweepResult

_BAND = 0.28  # opacity
_WRAP = 22  # characters


def sweep_charts(result: SweepResult) -> list[Chart]:
    """The metric over the first setting, a line for each combination of the others, with intervals over chips."""
    over, ticks, lines = lines_of(result)
    data: list[Trace] = []
    for number, (label, line) in enumerate(lines.items()):
        trace = line_of(
            label or result.metric,
            [place for place, _ in line],
            [each.estimate.mean or 0.0 for _, each in line],
            COLORS[number % len(COLORS)],
        )
        half = [each.estimate.half_width or 0.0 for _, each in line]
        data.append({**trace, "mode": "lines+markers", "error_y": error_bars(half, half)})
    ends = [-0.5, max(len(ticks), 1) - 0.5]
    data.append(line_of("without a chip", ends, [result.digital.mean] * 2, GRAY, dash="dash"))
    layout = {"xaxis": ticks_of(ticks, over, range=ends), "yaxis": axis_of(result.metric), "height": 380}
    return [Chart(title_of(result, over), data, layout)]


def chips_charts(result: MonteCarloResult) -> list[Chart]:
    """Every chip, the distribution beside it, the mean with both intervals, and the model without a chip."""
    found = [(row.chip, row.figure) for row in result.rows if row.figure is not None]
    chips, figures = zip(*found, strict=True)
    ends = [min(chips) - 0.5, max(chips) + 0.5]
    data: list[Trace] = []
    intervals = ((result.data_interval, "over chips and data", SKY), (result.interval, "over chips", BLUE))
    for interval, of_what, color in intervals:
        if interval is not None:
            around = [*ends, *ends[::-1]], [interval[0]] * 2 + [interval[1]] * 2
            band = line_of(f"{result.confidence:.0%} interval {of_what}", *around, color)
            data.append({**band, "fill": "toself", "opacity": _BAND, "mode": "none", "fillcolor": color})
    data.append(line_of("mean", ends, [fmean(figures)] * 2, BLUE))
    data.append(line_of("without a chip", ends, [result.digital.mean] * 2, GRAY, dash="dash"))
    data.append({**line_of("chip", chips, figures, BLACK), "mode": "markers"})
    spread = {"type": "histogram", "y": list(figures), "xaxis": "x2", "marker": {"color": SKY}, "showlegend": False}
    data.append({**spread, "nbinsy": 12, "hoverinfo": "y+x"})
    layout = {
        "xaxis": axis_of("chip", range=ends, domain=[0, 0.78]),
        "xaxis2": axis_of("chips", domain=[0.82, 1], showgrid=False),
        "yaxis": axis_of(result.metric),
        "height": 420,
    }
    return [Chart(f"{result.metric} on {len(figures)} chips, and their distribution", data, layout)]


def sensitivity_charts(found: Sensitivity) -> list[Chart]:
    """Ranked bars: what each layer costs alone on the chip, and what its absence gains; of many, the worst."""
    rows = found.groups[:MOST_BARS]
    parts = (
        ("only this layer on the chip", [row.cost_alone for row in rows], BLUE),
        ("only this layer digital", [row.gain_digital for row in rows], ORANGE),
    )
    data = []
    for label, costs, color in parts:
        means = list(map(fmean, costs))
        below = [mean - min(each) for mean, each in zip(means, costs, strict=True)]
        above = [max(each) - mean for mean, each in zip(means, costs, strict=True)]
        data.append(bars_in_rows(label, means, color, error_x=error_bars(below, above)))
    axis = axis_of(f"{found.metric} that the layer costs", zeroline=True)
    layout = {"xaxis": axis, "yaxis": rows_of([row.name for row in rows]), "height": tall(2 * len(rows))}
    more = f", worst {len(rows)} of {len(found.groups)}" if len(rows) < len(found.groups) else ""
    whiskers = "; lines: least and most of the chips" if len(found.chip) > 1 else ""
    return [Chart(f"What layers cost{more}{whiskers}", data, layout)]


def attribution_charts(found: Attribution) -> list[Chart]:
    """Stacked bars by cause: error power of the network, and of each layer on exact inputs; of many, the worst."""
    layers = found.layers[:MOST_BARS]
    causes = bars_of([found.network, *layers])
    network = {cause: (color, widths[:1]) for cause, (color, widths) in causes.items()}
    of_layers = {cause: (color, widths[1:]) for cause, (color, widths) in causes.items()}
    return [
        _stacked("Error power of the network by cause", ["network"], [found.network], network),
        _stacked("Error power of each layer on exact inputs", [layer.name for layer in layers], layers, of_layers),
    ]


def _stacked(
    title: str, names: Sequence[str], bars: Sequence[LayerCauses], causes: Mapping[str, tuple[str, list[float]]]
) -> Chart:
    data = [bars_in_rows(cause, widths, color) for cause, (color, widths) in causes.items() if any(widths)]
    marks = {
        **line_of("measured error", [100 * bar.error for bar in bars], range(len(bars)), BLACK),
        "mode": "markers",
    }
    data.append({**marks, "marker": STROKE})
    axis = axis_of("error, % of output power", zeroline=True)
    layout = {"xaxis": axis, "yaxis": rows_of(names), "barmode": "relative", "height": tall(len(bars))}
    return Chart(title, data, layout)


def allocation_charts(found: Allocation) -> list[Chart]:
    """Bits of each layer; and the metric on chips beside those of uniform bits."""
    layers, chips = found.layers, found.chips
    cells = [f"{layer.cells:,} cells" for layer in layers]
    bits = [bars_in_rows("bits", [layer.bits for layer in layers], BLUE, text=cells, showlegend=False)]
    rows = rows_of([layer.name for layer in layers])
    bits_layout = {"xaxis": axis_of("bits of weights"), "yaxis": rows, "height": tall(len(layers))}
    points = []
    for place, each in enumerate(chips):
        figures = [one.mean for one in each.measured]
        color = ORANGE if place else BLUE
        chip = {**line_of("chip", figures, [place] * len(figures), color), "mode": "markers", "opacity": 0.6}
        points.append({**chip, "showlegend": False})
        mean = {**line_of("mean", [each.mean], [place], BLACK), "mode": "markers", "hoverinfo": "x"}
        points.append({**mean, "marker": STROKE, "showlegend": False})
    points.append(line_of("without a chip", [found.reference] * 2, [-0.5, len(chips) - 0.5], GRAY, dash="dash"))
    names = ["<br>".join(wrap(text(f"{each.name}, {each.cells:,} cells"), _WRAP)) for each in chips]
    ticks = {**rows_of([""] * len(chips)), "ticktext": names}
    metric_layout = {"xaxis": axis_of(found.metric), "yaxis": ticks, "height": tall(3 * len(chips))}
    title = f"{found.metric} on {len(chips[0].measured)} chips; dashed: without a chip, strokes: means"
    return [
        Chart(f"Bits of each layer, allocated for {found.budget}", bits, bits_layout),
        Chart(title, points, metric_layout),
    ]


def cost_charts(costs: Costs) -> list[Chart]:
    """Energy of each layer by cause, of the whole chip beside the same products computed digitally, and area."""
    rows, areas = energies(costs), energies(costs, ("area",))
    sums = "; *: sum of several" if any("*" in name for name in rows) else ""
    area = [1e6 * each["area"] for each in areas.values()]
    axes = {"xaxis": axis_of("area, mm²"), "yaxis": rows_of(list(areas)), "height": tall(len(areas))}
    return [
        _energy(f"Energy of one input: layers on crossbars, by cause{sums}", rows, parts_of(costs)),
        _energy("Energy of one input: sums", totals_of(costs), {**parts_of(costs), **ELSEWHERE}),
        Chart(
            f"Area of each layer: cells and converters{sums}",
            [bars_in_rows("area", area, BLUE, showlegend=False)],
            axes,
        ),
    ]


def _energy(title: str, rows: Mapping[str, Mapping[str, float]], parts: Mapping[str, tuple[str, str]]) -> Chart:
    unit, name = scale_of_joule(max(sum(row.values()) for row in rows.values()))
    widths = {part: [row.get(part, 0.0) / unit for row in rows.values()] for part in parts}
    data = [bars_in_rows(words, widths[part], color) for part, (words, color) in parts.items() if any(widths[part])]
    layout = {"xaxis": axis_of(f"energy, {name}"), "yaxis": rows_of(list(rows)), "barmode": "stack"}
    return Chart(title, data, {**layout, "height": tall(len(rows))})


def evaluation_charts(found: Evaluation) -> list[Chart]:
    """Word error rates over bits with their intervals, and those of the extreme chips."""
    from memrix.asr.charts.wer_over_bits import FLOAT, QUANTIZED, BitsAxis, colors_of_chips, percent

    others = [row for row in found.summary if row.weight_bits is not None]
    axis = BitsAxis.of([row.weight_bits or 0 for row in others], (row.hardware for row in others))
    colors: dict[str | None, str] = {None: QUANTIZED}
    colors.update(colors_of_chips(name for name in axis.systems if name is not None))
    data = []
    for system in axis.systems:
        rows = [row for row in others if row.hardware == system]
        wer = percent([row.wer for row in rows])
        low, high = (percent([row.wer_interval[end] for row in rows]) for end in (0, 1))
        below, above = ([max(a - b, 0.0) for a, b in zip(*pair, strict=True)] for pair in ((wer, low), (high, wer)))
        places = [axis.place(row.weight_bits or 0, system) for row in rows]
        label = "quantized digitally" if system is None else f"chips: {system}"
        trace = {
            **line_of(label, places, wer, colors[system]),
            "mode": "markers",
            "error_y": error_bars(below, above),
        }
        data.append({**trace, "marker": {"size": 8}})
        extremes = [(place, 100 * end) for place, row in zip(places, rows, strict=True) for end in row.extremes]
        dashes = line_of(label, [place for place, _ in extremes], [end for _, end in extremes], colors[system])
        symbol = {"symbol": "line-ew-open", "size": 12, "line": {"width": 2}}
        data.append({**dashes, "mode": "markers", "marker": symbol, "showlegend": False})
    ends = [min(axis.bits, default=1) - 0.5, max(axis.bits, default=1) + 0.5]
    for row in (row for row in found.summary if row.execution == "float"):
        data.append(line_of("float", ends, percent([row.wer] * 2), FLOAT, dash="dash"))
    x = axis_of("bits per weight", tickvals=list(axis.bits), range=ends)
    layout = {"xaxis": x, "yaxis": axis_of("word error rate, %"), "height": 400}
    return [Chart("Word error rate over bits; bars: 95 % intervals, dashes: lowest and highest chip", data, layout)]
