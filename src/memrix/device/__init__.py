"""One memristor cell: its measured parameters, its state and its current."""

from memrix.device.current import CellCurrent
from memrix.device.fresh import FreshCells
from memrix.device.parameters import DeviceParameters, load_parameters

__all__ = ["CellCurrent", "DeviceParameters", "FreshCells", "load_parameters"]
