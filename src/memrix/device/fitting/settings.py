"""How measurements are read, and how a device is fitted to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FitSettings:
    """How measurements are read, and how a device is fitted to them.

    Attributes:
        order: number of past cycles that a cycle depends on. At least four times as many cycles of each device are
            needed. By default 10, or fewer for fewer cycles.
        components: number of Gaussians in the mixture that devices are drawn from. Each needs at least nine devices.
            By default 3, or fewer for fewer devices.
        read_voltage: voltage in V at which the resistances were measured, or are extracted from loops.
        full_reset_voltage: highest voltage in V of the sweeps, at which a RESET is complete. By default that of the
            loops, or 1.46 for cycles.
        reset_exponent: curvature of the current along a partial RESET, which these measurements do not show. By
            default that of the built-in device.
        cycles: number of cycles of each device to use, from its first. By default all of them, and then all devices
            must have the same number.
        columns: what columns with other names stand for, such as `"Vset (V)=U_set"`.
        flip_polarity: the devices SET at positive and RESET at negative voltages.
        seed: seed of the fit. The same seed gives the same parameters.
    """

    order: int | None = None
    components: int | None = None
    read_voltage: float = 0.2
    full_reset_voltage: float | None = None
    reset_exponent: float | None = None
    cycles: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    flip_polarity: bool = False
    seed: int = 0
