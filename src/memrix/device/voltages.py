"""Voltages on arrays of cells: what is given as numbers, checked; which cells a pulse reaches, and its power."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from memrix.device.current import CellCurrent
from memrix.errors import DeviceError
from memrix.validation import require_number

# V, of pulses on either side. The device model knows thresholds, and no breakdown: where the measured device was
# swept, up to 1.46 V, it is at home, and a few volts, as in programming, are as far as it can be taken.
PULSE_RANGE = 5.0
BEYOND = "the device model knows no breakdown"
Voltages = float | Tensor | np.ndarray[Any, Any]


def require_voltage(name: str, volts: object) -> float:
    """The voltage of a pulse as a float.

    Raises:
        DeviceError: no real number, or none within ``PULSE_RANGE``.
    """
    require_number(name, volts, -PULSE_RANGE, PULSE_RANGE, "V", why=BEYOND, error=DeviceError)
    return float(volts)  # type: ignore[arg-type]


def as_voltages(volts: Voltages, shape: torch.Size, device: torch.device) -> Tensor:
    """Voltages as a float32 tensor that broadcasts with cells of a shape.

    Raises:
        DeviceError: no numbers, none that broadcast, or none that are finite.
    """
    try:
        if isinstance(volts, bool):
            raise TypeError(volts)
        voltages = torch.as_tensor(volts, dtype=torch.float32, device=device)
        torch.broadcast_shapes(voltages.shape, shape)  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, RuntimeError) as error:
        given = f"shape {tuple(volts.shape)}" if isinstance(volts, (Tensor, np.ndarray)) else repr(volts)
        raise DeviceError(
            f"voltages must be numbers in V that broadcast with cells of shape {tuple(shape)}, got {given}"
        ) from error
    # A sum is one cheap pass; only one that is not finite is worth a second look.
    if not bool(voltages.sum().isfinite()) and not bool(torch.isfinite(voltages).all()):
        raise DeviceError("a voltage is NaN or infinite; give finite numbers in V")
    return voltages


def per_cell(volts: Voltages, shape: torch.Size, device: torch.device) -> float | Tensor:
    """One voltage for all cells of a shape, or one each, ``[cells]``.

    Raises:
        DeviceError: no finite numbers, or none that fit the cells.
    """
    if isinstance(volts, (int, float)) and not isinstance(volts, bool):
        if not abs(volts) < 1e30:
            raise DeviceError(f"a voltage must be a finite number in V, got {str(volts)[:20]}")
        return float(volts)
    voltages = as_voltages(volts, shape, device)
    if voltages.dim() == 0:
        return float(voltages)
    try:
        return voltages.expand(shape).reshape(-1)
    except RuntimeError as error:
        raise DeviceError(
            f"voltages of shape {tuple(voltages.shape)} do not fit cells of shape {tuple(shape)}; give "
            f"one voltage, or one for each cell"
        ) from error


def reached(cells: int, volts: float | Tensor, mask: Tensor | None) -> tuple[int, Tensor | None]:
    """How many cells a pulse reaches, and which (None: all); cells at 0 V get none."""
    if isinstance(volts, Tensor):
        # Most trains leave no cell out, and then no mask has to be looked at.
        if mask is None and int(torch.count_nonzero(volts)) == cells:
            return cells, None
        mask = volts != 0 if mask is None else (volts != 0) & mask
    elif volts == 0:
        return 0, None
    return (cells, None) if mask is None else (int(torch.count_nonzero(mask)), mask)


def power_(current: CellCurrent, r: Tensor, volts: float | Tensor, mask: Tensor | None, count: int) -> float:
    """Sum of ``U * I`` in W over the cells that a pulse reaches; ``r`` may be overwritten.

    The current is that of ``CellCurrent.in_pulse``. The few OFF cells whose current would run against a small voltage
    carry none: no pulse gives energy back.
    """
    low, slope = current.in_pulse(volts)
    if isinstance(volts, Tensor) and isinstance(low, Tensor):
        powers = torch.addcmul(low, r, slope).mul_(volts).clamp_(min=0)
        return float(powers.sum() if mask is None else torch.dot(powers, mask.to(powers.dtype)))
    if volts * slope < 0:
        r.clamp_(max=-low / slope)
    states = float(r.sum()) if mask is None else float(torch.dot(r, mask.to(r.dtype)))
    # Rounding alone can bring cells that carry nothing below 0.
    return max(0.0, float(volts * (low * count + slope * states)))
