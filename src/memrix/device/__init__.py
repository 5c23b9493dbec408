"""One memristor cell: its measured parameters, its state and its current."""

from memrix.device.cells import Cells
from memrix.device.current import CellCurrent
from memrix.device.fresh import FreshCells
from memrix.device.parameter_files import load_parameters, save_parameters
from memrix.device.parameters import DeviceParameters

__all__ = ["CellCurrent", "Cells", "DeviceParameters", "FreshCells", "load_parameters", "save_parameters"]
