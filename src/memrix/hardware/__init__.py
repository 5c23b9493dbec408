"""The description of a chip: one frozen ``Hardware``, its parts, its files and its presets.

    presets/*.toml --> reading (a table, all problems at once) --> Hardware --> training, programming, execution
                       parts (Device here; Tile, DAC, ADC, protocols, Faults, Drift from memrix.crossbar)
                       layers (changes for layers whose tiles differ)

``Hardware`` does nothing but describe. Each package asks it for its part::

    Hardware --+-- layout(groups, inputs, outputs) ---> where the cells of a matrix lie      crossbar.mapping
               +-- technology ------------------------> cells, protocol, faults, drift       crossbar.pairs
               +-- circuit ---------------------------> DAC, ADC, read noise                 crossbar.circuit
               +-- parameters ------------------------> the device model                     device
               +-- weight_bits, weight_scale, ... ----> quantizers of a layer                nn.quantizers

Settings are validated where they are given: ``SettingsError`` names the setting, the value and what is allowed.
``replace(**{"adc.range_bits": 6})`` makes a changed copy, ``print(hardware)`` shows every setting as TOML, and
``save`` and ``load`` write and read the same table.

A new setting is a field of the part that it belongs to, with its unit in the docstring of the class and its check in
``__post_init__``: files, ``replace`` and ``print`` follow. A new part is a field of ``Hardware`` and an entry of
``parts.PARTS``. A new preset is a file in ``presets/``.
"""

from memrix.hardware.description import Hardware
from memrix.hardware.parts import Device

__all__ = ["Device", "Hardware"]
