"""Systems over bits of a weight: a place for each number of bits, side by side in it, and a color for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def lengths(value: float, interval: Sequence[float]) -> tuple[list[float], list[float]]:
    """Of an error bar, below and above.

    A percentile interval need not contain the value itself, and bars of negative length are refused.
    """
    return [max(value - interval[0], 0.0)], [max(interval[1] - value, 0.0)]


def percent(shares: Sequence[float]) -> list[float]:
    """Shares in percent."""
    return [100 * share for share in shares]
