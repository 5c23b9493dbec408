"""Voltages on arrays of cells: what is given as numbers, checked; which cells a pulse reaches, and its power."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from memrix._support.validation import is_number, shown
from memrix.device.current import CellCurrent
from memrix.device.indexing import positions
from memrix.device.ranges import NO_BREAKDOWN, PULSE_RANGE, require_pulse_voltage
from memrix.errors import SettingsError

Voltages = float | Tensor | np.ndarray[Any, Any]
_ROUNDING = 1e-6  # of float32, by which a voltage may seem to pass a limit


def as_voltages(volts: Voltages, shape: torch.Size, device: torch.device, limit: float, why: str) -> Tensor:
    """Voltages as a float32 tensor that broadcasts with cells of a shape.

    Args:
        volts: V.
        shape: of the cells.
        device: of the tensor.
        limit: V, the largest magnitude.
        why: it ends there, as a clause of the message.

    Raises:
        SettingsError: no real numbers, none that broadcast, or none within the limit.
    """
    try:
        given = volts if isinstance(volts, Tensor) else torch.as_tensor(volts)
        if given.dtype == torch.bool or given.is_complex():
            raise TypeError(given.dtype)
        voltages = given.to(device, torch.float32)
        torch.broadcast_shapes(voltages.shape, shape)  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        kind = f" of {volts.dtype}" if isinstance(volts, (Tensor, np.ndarray)) else ""
        what = f"shape {tuple(volts.shape)}{kind}" if isinstance(volts, (Tensor, np.ndarray)) else shown(volts)
        raise SettingsError(
            f"voltages must be real numbers in V that broadcast with cells of shape {tuple(shape)}, got {what}"
        ) from error
    if voltages.numel():
        lowest, highest = (float(end) for end in voltages.aminmax())
        # NaN is neither.
        if not (-limit * (1 + _ROUNDING) <= lowest and highest <= limit * (1 + _ROUNDING)):
            raise SettingsError(
                f"voltages must lie within +-{limit:g} V ({why}), got some from {lowest:g} to {highest:g} V"
            )
    return voltages


def per_cell(volts: Voltages, shape: torch.Size, device: torch.device) -> float | Tensor:
    """The voltage of a pulse for all cells of a shape, or one each, ``[cells]``.

    Raises:
        SettingsError: no real numbers within ``PULSE_RANGE``, or none that fit the cells.
    """
    if is_number(volts):
        require_pulse_voltage("the voltage of a pulse", volts)
        return float(volts)
    voltages = as_voltages(volts, shape, device, PULSE_RANGE, NO_BREAKDOWN)
    if voltages.dim() == 0:
        return float(voltages)
    try:
        return voltages.expand(shape).reshape(-1)
    except RuntimeError as error:
        raise SettingsError(
            f"voltages of shape {tuple(voltages.shape)} do not fit cells of shape {tuple(shape)}; give "
            f"one voltage, or one for each cell"
        ) from error


def pulsed(volts: float | Tensor, mask: Tensor | None) -> Tensor | None:
    """Positions of the cells that a pulse reaches, int64, None: all of them; cells at 0 V get none."""
    if isinstance(volts, Tensor):
        # Most trains leave no cell out, and then no mask has to be looked at.
        if mask is None and int(torch.count_nonzero(volts)) == volts.numel():
            return None
        mask = volts != 0 if mask is None else (volts != 0) & mask
    elif volts == 0:
        return torch.zeros(0, dtype=torch.int64, device=None if mask is None else mask.device)
    return None if mask is None else positions(mask)


def power_(current: CellCurrent, r: Tensor, volts: float | Tensor) -> int:
    """Sum of ``U * I`` over cells in a pulse, in ``CellCurrent.power_unit``; ``r`` is overwritten.

    The current is that of ``CellCurrent.in_pulse``. The few OFF cells whose current would run against a small voltage
    carry none: no pulse gives energy back.
    """
    at: Any = volts  # the arithmetic of one voltage is that of many
    lows, slopes = current.in_pulse(at)
    powers = r.mul_(slopes).add_(lows).mul_(volts).clamp_(min=0).mul_(1 / current.power_unit)
    return int(powers.round_().to(torch.int64).sum())
