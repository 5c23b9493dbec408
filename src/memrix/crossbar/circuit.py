"""What a read circuit makes of a cell, tabulated over the codes of its DAC."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix.crossbar.activation import Activation
from memrix.crossbar.adc import ADC
from memrix.crossbar.dac import DAC
from memrix.crossbar.noise import ReadNoise
from memrix.device import CellCurrent, DeviceParameters


@dataclass(frozen=True)
class ReadCircuit:
    """The converters around an array and the noise between them.

    Attributes:
        dac: word-line converter.
        adc: bit-line converter.
        noise: of a reading.
        activation: of the currents by temperature.
    """

    dac: DAC
    adc: ADC
    noise: ReadNoise
    activation: Activation = field(default_factory=Activation)

    def gain(self, parameters: DeviceParameters, nominal_states: tuple[float, float]) -> float:
        """Readings per A: the difference of a nominal ON and OFF cell at 300 K and the largest code reads 1."""
        state_on, state_off = nominal_states
        return 1.0 / (self.dac.full_scale(CellCurrent(parameters)) * (state_off - state_on))

    def tables(
        self, parameters: DeviceParameters, nominal_states: tuple[float, float], levels: Stream | None = None
    ) -> Tensor:
        """One value per DAC code in ascending order, in ADC steps: float32 ``[3, codes]``.

        Of bit-serial inputs, there are such tables for every bit of a code, ``[bits, 3, codes]``.

        With ``r+`` and ``r-`` the states of a differential pair, the mean of its reading is
        ``tables[0] * (r+ - r-)``, the variance ``tables[1] * (r+ + r-) + tables[2]``.

        Args:
            parameters: of the cells.
            nominal_states: mean state of ON and of OFF cells.
            levels: of the mismatch of the DAC's levels; None: as they are meant.
        """
        current = CellCurrent(parameters)
        voltages = self.dac.voltages(current)
        if levels is not None:
            voltages = self.dac.mismatched(voltages, levels)
        steps_per_ampere = self.gain(parameters, nominal_states) / self.adc.step
        shift, factor = self.activation.seen(nominal_states, parameters.silent_state)
        offset, slope = self.noise.variance(current, voltages)
        offset, slope = offset + 2 * shift * slope, factor * slope
        mean = factor * current.slope(voltages) * steps_per_ampere
        # Telegraph noise moves a cell along its state, independent of where it is.
        moves = self.noise.telegraph * (parameters.silent_state - nominal_states[0])
        offset = offset + 2 * (moves * current.slope(voltages)) ** 2
        made = np.stack([mean, slope * steps_per_ampere**2, offset * steps_per_ampere**2])
        if self.dac.bit_serial:
            made = np.where(self.dac.driven[:, None], made, made[:, self.dac.largest_code, None])
        return torch.from_numpy(made).float()
