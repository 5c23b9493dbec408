"""What a read circuit sees of a cell, tabulated over the codes of its DAC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memrix.crossbar.converters import ADC, DAC
from memrix.device import CellCurrent, DeviceParameters
from memrix.device.current import Noise
from memrix.device.parameters import Array


@dataclass(frozen=True)
class ReadCircuit:
    """The converters around an array and the noise between them.

    Attributes:
        dac: word-line converter.
        adc: bit-line converter.
        noise: ``physical``, ``legacy`` or ``off``.
        temperature: K.
        bandwidth: of a reading, in Hz.
    """

    dac: DAC
    adc: ADC
    noise: Noise
    temperature: float
    bandwidth: float

    def gain(self, parameters: DeviceParameters, nominal_states: tuple[float, float]) -> float:
        """Readings per A: the difference of a nominal ON and OFF cell at the largest code reads 1."""
        state_on, state_off = nominal_states
        return 1.0 / (self.dac.full_scale(CellCurrent(parameters)) * (state_off - state_on))

    def tables(self, parameters: DeviceParameters, nominal_states: tuple[float, float]) -> ReadTables:
        """Tables for cells of a device whose nominal ON and OFF states are given."""
        current = CellCurrent(parameters)
        voltages = self.dac.voltages(current)
        steps_per_ampere = self.gain(parameters, nominal_states) / self.adc.step
        offset, slope = current.noise_variance(voltages, self.noise, self.temperature, self.bandwidth)
        return ReadTables(
            mean=_table(current.slope(voltages) * steps_per_ampere),
            variance_offset=_table(2 * offset * steps_per_ampere**2),
            variance_slope=_table(slope * steps_per_ampere**2),
        )


@dataclass(frozen=True)
class ReadTables:
    """One value per DAC code in ascending order, float32.

    With ``r+`` and ``r-`` the states of a differential pair, in units of ADC steps:
    its mean reading is ``mean * (r+ - r-)``, its variance ``variance_offset + variance_slope * (r+ + r-)``.
    """

    mean: Tensor
    variance_offset: Tensor
    variance_slope: Tensor


def _table(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()
