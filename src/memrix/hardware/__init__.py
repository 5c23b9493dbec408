"""The description of a chip: one frozen ``Hardware``, its parts, its files and its presets.

    presets/*.toml --> reading (a table, all problems at once) --> Hardware --> training, programming, execution
                       parts (Device here; Tile, DAC, ADC, protocols, Faults, Drift from memrix.crossbar)

A new setting is a field of the part that it belongs to, with its unit in the docstring of the class and its check in
``__post_init__``: files, ``replace`` and ``print`` follow. A new part is a field of ``Hardware`` and an entry of
``parts.PARTS``. A new preset is a file.
"""

from memrix.hardware.description import Hardware
from memrix.hardware.parts import Device

__all__ = ["Device", "Hardware"]
