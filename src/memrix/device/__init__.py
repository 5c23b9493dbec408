"""One memristor cell: its measured parameters, its state and its current."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memrix.device.cells import Cells
    from memrix.device.current import CellCurrent
    from memrix.device.fresh import FreshCells
    from memrix.device.parameter_files import load_parameters, save_parameters
    from memrix.device.parameters import DeviceParameters
    from memrix.device.parametric import parametric_device
    from memrix.device.reach import ReadRange, WithinReach
    from memrix.device.read_back import ReadBack
    from memrix.device.switchability import (
        PulseVoltages,
        SwitchingShares,
        pulse_voltages,
        reset_share,
        switching_shares,
    )

__all__ = [
    "CellCurrent",
    "Cells",
    "DeviceParameters",
    "FreshCells",
    "PulseVoltages",
    "ReadBack",
    "ReadRange",
    "SwitchingShares",
    "WithinReach",
    "load_parameters",
    "parametric_device",
    "pulse_voltages",
    "reset_share",
    "save_parameters",
    "switching_shares",
]

_HOMES = {
    "CellCurrent": "current",
    "Cells": "cells",
    "DeviceParameters": "parameters",
    "FreshCells": "fresh",
    "PulseVoltages": "switchability",
    "ReadBack": "read_back",
    "ReadRange": "reach",
    "SwitchingShares": "switchability",
    "WithinReach": "reach",
    "load_parameters": "parameter_files",
    "parametric_device": "parametric",
    "pulse_voltages": "switchability",
    "reset_share": "switchability",
    "save_parameters": "parameter_files",
    "switching_shares": "switchability",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # `memrix device fit --help` reads the settings of a fit, and does not wait for torch.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
