"""Charts of a device technology: its I-V loops, its variability, its protocols, its memory.

DeviceParameters --device_behavior--> loops, features, currents --a module for each chart--> figures --> folder
"""

from memrix.studies.device_charts.drawing import Population, draw_device
from memrix.studies.device_charts.features import draw_features
from memrix.studies.device_charts.loops import draw_loops
from memrix.studies.device_charts.memory import draw_memory
from memrix.studies.device_charts.protocols import draw_protocols

__all__ = ["Population", "draw_device", "draw_features", "draw_loops", "draw_memory", "draw_protocols"]
