"""What cells are made from, checked: their shape, their parameters, the device they live on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from memrix._support.validation import is_integer, is_number, shown
from memrix.device.parameter_files import load_parameters
from memrix.device.parameters import DeviceParameters
from memrix.errors import SettingsError

_MOST = 1 << 30  # cells of an array


def shape_of(shape: int | Sequence[int]) -> torch.Size:
    """The shape of an array of cells; SettingsError unless it is one."""
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if not all(is_integer(size) and size >= 0 for size in sizes):
        raise SettingsError(f"the shape of an array of cells must be integers from 0, got {shown(shape)}")
    sizes = tuple(map(int, sizes))
    if math.prod(sizes) > _MOST:
        raise SettingsError(
            f"{_MOST:,} cells are the most that an array can have, some 150 bytes each, got {shown(shape)}; simulate "
            f"them in several arrays"
        )
    return torch.Size(sizes)


def parameters_of(parameters: DeviceParameters | None) -> DeviceParameters:
    """The parameters given, or the built-in ones; SettingsError for anything else."""
    if parameters is None:
        return load_parameters()
    if not isinstance(parameters, DeviceParameters):
        raise SettingsError(
            f"parameters must be DeviceParameters, as memrix.device.load_parameters gives them, got "
            f"{shown(parameters)}"
        )
    return parameters


def device_of(device: str | torch.device) -> torch.device:
    """A device that torch can compute and draw random numbers on; SettingsError if it cannot."""
    try:
        found = torch.empty(0, device=device).device
        torch.Generator(found)
    except (RuntimeError, AssertionError, TypeError, ValueError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(
            f"cells need a device that torch can compute on, such as 'cpu' or 'cuda', got {shown(device)}: {reason}"
        ) from error
    return found


def ramp_voltages(volts: Sequence[float], full: float) -> list[float]:
    """The voltages of a ramp as floats; SettingsError unless they rise from above 0 V to below a full reset."""
    listed = list(volts) if isinstance(volts, (Sequence, np.ndarray)) else []
    rising = all(map(is_number, listed)) and all(low < high for low, high in pairwise((0, *listed)))
    if not listed or not rising or not listed[-1] < full:
        raise SettingsError(
            f"the voltages of a ramp are numbers that must rise from above 0 V and stay below {full:g} V, where a "
            f"reset is complete, got {shown(volts)}"
        )
    return [float(volt) for volt in listed]


def require_aims(aim: Tensor, shape: torch.Size) -> None:
    """Raise SettingsError unless aims of a ramp are finite floats of the shape of the cells."""
    if not isinstance(aim, Tensor) or aim.shape != shape or not aim.is_floating_point():
        raise SettingsError(f"aims must be floats of the cells' shape {tuple(shape)}, got {described(aim)}")
    if not bool(torch.isfinite(aim).all()):
        raise SettingsError("an aim of a ramp is NaN or infinite; give finite readings")


def require_mask(where: Tensor, shape: torch.Size, device: torch.device) -> Tensor:
    """A mask of cells on their device, flat; SettingsError unless it is bool and of the shape of the cells."""
    if not isinstance(where, Tensor) or where.shape != shape or where.dtype != torch.bool:
        raise SettingsError(
            f"'where' must be a bool tensor of the cells' shape {tuple(shape)}, got {described(where)}"
        )
    return where.to(device).reshape(-1)


def described(value: object) -> str:
    """A tensor as a message shows it, or what was given in its place."""
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else shown(value)
