"""One memristor cell: its measured parameters, its state and its current."""

from memrix.device.cells import Cells
from memrix.device.current import CellCurrent
from memrix.device.fresh import FreshCells
from memrix.device.parameter_files import load_parameters, save_parameters
from memrix.device.parameters import DeviceParameters
from memrix.device.parametric import parametric_device
from memrix.device.reach import ReadRange, WithinReach
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
