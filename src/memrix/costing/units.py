"""Energies, times and areas in words."""

from __future__ import annotations

_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))
_AREAS = ((1e-6, "mm2"), (1e-12, "um2"))


def in_joule(energy: float) -> str:
    """An energy in J with a prefix, such as ``3.42 nJ``."""
    return _shown(energy, "J")


def in_second(time: float) -> str:
    """A time in s with a prefix, such as ``1.2 us``."""
    return _shown(time, "s")


def in_square_meter(area: float) -> str:
    """An area in m² as ``mm2``, a small one as ``um2``."""
    if not area:
        return "0 mm2"
    unit, name = _AREAS[0] if area >= 1e-8 else _AREAS[1]
    return f"{_three(area / unit)} {name}"


def scale_of_joule(energy: float) -> tuple[float, str]:
    """The unit that suits an energy in J: how many J it is, and its name."""
    unit, prefix = _scale(energy)
    return unit, f"{prefix}J"


def _scale(value: float) -> tuple[float, str]:
    return next(((unit, prefix) for unit, prefix in _PREFIXES if value >= unit), _PREFIXES[-1])


def _shown(value: float, name: str) -> str:
    if not value:
        return f"0 {name}"
    unit, prefix = _scale(value)
    return f"{_three(value / unit)} {prefix}{name}"


def _three(number: float) -> str:
    """Three digits, never as a power of ten."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
