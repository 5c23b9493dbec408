"""Chart of an evaluation: word error rates over weight bits, and what they are over float."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix.errors import DataError
from memrix.toolkit import save_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colors: told apart by color-blind readers and in gray.
FLOAT = "#444444"
QUANTIZED = "#0072B2"
_PRESETS = {
    "paper": "#D55E00",
    "physical": "#E69F00",
    "tuned": "#009E73",
    "realistic": "#CC79A7",
    "ideal": "#56B4E9",
}
# Tol's muted colors, as far as they are far from those above.
_OTHERS = ("#CC6677", "#332288", "#882255", "#999933", "#661100", "#88CCEE", "#AA4499", "#DDCC77")

_WIDTH = 0.6  # that systems of one number of bits share, of the smallest distance between two numbers
_MARGIN = 0.08  # above and below what is drawn, as a share of it

Row = Mapping[str, Any]

_PAPER_LOST = 25.0  # % of the float WER, at 3 bits: arXiv 2505.24721


def colors_of_chips(names: Iterable[str]) -> dict[str, str]:
    """A color for each kind of chip, which follows from its name: the same in every chart.

    Two names that ask for one color are told apart, the first one in alphabetical order keeps it.
    """
    colors: dict[str, str] = {}
    for name in sorted(set(names)):
        if name in _PRESETS:
            colors[name] = _PRESETS[name]
            continue
        wanted = sum(name.encode()) % len(_OTHERS)
        others = [*_OTHERS[wanted:], *_OTHERS[:wanted]]
        colors[name] = next((color for color in others if color not in colors.values()), others[0])
    return colors


@dataclass(frozen=True)
class BitsAxis:
    """Where systems stand: at their numbers of bits, side by side, nearer to it than to any other number.

    Attributes:
        bits: that are shown, in rising order.
        systems: in the order in which they stand beside each other.
    """

    bits: tuple[float, ...]
    systems: tuple[str | None, ...]

    @classmethod
    def of(cls, bits: Iterable[float], systems: Iterable[str | None]) -> BitsAxis:
        """The axis for all bits and systems that occur."""
        return cls(tuple(sorted(set(bits))), tuple(dict.fromkeys(systems)))

    def place(self, bits: float, system: str | None) -> float:
        """Where a system stands."""
        return bits + self._step * (self.systems.index(system) - (len(self.systems) - 1) / 2)

    @property
    def _gap(self) -> float:
        return min((after - before for before, after in zip(self.bits, self.bits[1:], strict=False)), default=1.0)

    @property
    def _step(self) -> float:
        return _WIDTH * self._gap / max(len(self.systems), 1)

    def label(self, axes: Axes) -> None:
        """Mark the numbers of bits that are shown, and no others."""
        if self.bits:
            axes.set_xticks(self.bits, [f"{value:g}" for value in self.bits])
            axes.set_xlim(self.bits[0] - self._gap / 2, self.bits[-1] + self._gap / 2)
        axes.set_xlabel("bits per weight")


def show_differences(axes: Axes, values: Sequence[float]) -> None:
    """Limit an axis to what is drawn: rates from 0 on would hide what they differ by."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = _MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    axes.set_ylim(low - room, high + room)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def percent(shares: Sequence[float]) -> list[float]:
    """Shares in percent."""
    return [100 * share for share in shares]


def wer_over_bits(result: Mapping[str, Any], path: Path) -> None:
    """Rates of float, quantized networks and the mean of each kind of chip, and their differences to float.

    All with their 95 % intervals; the extremes of several chips are marked next to their mean.

    Args:
        result: of an evaluation, as in its JSON file.
        path: PNG, SVG or PDF.

    Raises:
        DataError: no rows to draw, or a file that cannot be written.
    """
    from matplotlib.figure import Figure

    rows: Sequence[Row] = result["summary"]
    floating = next((row for row in rows if row["execution"] == "float"), None)
    if floating is None:
        raise DataError(f"a chart needs the row of the float model, got {len(rows)} rows without it")
    others = [row for row in rows if row is not floating]
    axis = BitsAxis.of((row["weight_bits"] for row in others), (row["hardware"] for row in others))
    colors: dict[str | None, str] = {None: QUANTIZED}
    colors.update(colors_of_chips(name for name in axis.systems if name is not None))
    figure = Figure(figsize=(11, 5), layout="constrained")
    rates, differences = figure.subplots(1, 2)
    _draw_rates(rates, floating, others, axis, colors)
    _draw_differences(differences, others, axis, colors)
    handles, labels = rates.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    corpus, model = result["corpus"], Path(result["settings"]["model"]).name
    figure.suptitle(f"{model} on {corpus['name']}, {corpus['words']} words; bars: 95 % intervals")
    save_chart(figure, path)


def _draw_rates(
    axes: Axes, floating: Row, rows: Sequence[Row], axis: BitsAxis, colors: Mapping[str | None, str]
) -> None:
    ends = percent(floating["wer_interval"])
    axes.axhspan(ends[0], ends[1], color=FLOAT, alpha=0.12, linewidth=0)
    axes.axhline(100 * floating["wer"], color=FLOAT, linestyle="--", label="float")
    drawn, named = [*ends], set()
    for row in rows:
        hardware = row["hardware"]
        name = "quantized digitally" if hardware is None else f"chips: {hardware}"
        label = None if hardware in named else name
        drawn += _draw_point(axes, row, (row["wer"], *row["wer_interval"]), axis, colors, label)
        named.add(hardware)
        if row["lowest"] is not None:
            extremes = percent((row["lowest"], row["highest"]))
            place = axis.place(row["weight_bits"], hardware)
            axes.plot([place] * 2, extremes, linestyle="", marker="_", markersize=9, color=colors[hardware])
            drawn += extremes
    _finish(axes, axis, drawn, "word error rate, %", "Word error rate; dashes: lowest and highest chip")


def _draw_differences(axes: Axes, rows: Sequence[Row], axis: BitsAxis, colors: Mapping[str | None, str]) -> None:
    axes.axhline(0.0, color=FLOAT, linestyle="--")
    drawn = [0.0]
    for row in rows:
        over = row["over_float"]
        # Beside a float network without errors there is no share.
        if over is not None and over["relative_interval"] is not None:
            drawn += _draw_point(axes, row, (over["relative"], *over["relative_interval"]), axis, colors)
    if max(drawn) > _PAPER_LOST / 2:
        axes.axhline(_PAPER_LOST, color=FLOAT, linestyle=":")
        axes.annotate(
            "increase in the paper at 3 bits", (axis.bits[-1], _PAPER_LOST), ha="right", va="bottom", fontsize=8
        )
        drawn.append(_PAPER_LOST)
    _finish(axes, axis, drawn, "WER increase over float, %", "Relative difference to float, paired")


def _draw_point(
    axes: Axes,
    row: Row,
    shares: Sequence[float],
    axis: BitsAxis,
    colors: Mapping[str | None, str],
    label: str | None = None,
) -> list[float]:
    """Draw a share with its interval; all three in percent."""
    value, low, high = percent(shares)
    hardware = row["hardware"]
    axes.errorbar(
        [axis.place(row["weight_bits"], hardware)],
        [value],
        # A percentile interval need not contain the value itself, and bars of negative length are refused.
        ([max(value - low, 0.0)], [max(high - value, 0.0)]),
        fmt="s" if hardware is None else "o",
        color=colors[hardware],
        capsize=3,
        label=label,
    )
    return [value, low, high]


def _finish(axes: Axes, axis: BitsAxis, drawn: Sequence[float], what: str, title: str) -> None:
    axes.set_ylabel(what)
    axes.set_title(title, fontsize=11)
    axis.label(axes)
    show_differences(axes, drawn)
