"""Currents of cells at another temperature than that of their measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass

from memrix.device.current import BOLTZMANN, ELEMENTARY_CHARGE
from memrix.errors import SettingsError

MEASURED_AT = 300.0  # K


@dataclass(frozen=True)
class Activation:
    """Arrhenius law of the conductance, ``G(T) = G(300 K) exp(-E / k (1 / T - 1 / 300 K))``, for ON and OFF cells.

    Cells in between are interpolated by their conductance, so that currents stay affine in the state: a reading sees
    ``offset + factor * r`` in place of a state ``r``.

    Attributes:
        on_energy: of nominal ON cells, in eV; 0: no change.
        off_energy: of nominal OFF cells, in eV.
        temperature: of readings, in K.
    """

    on_energy: float = 0.0
    off_energy: float = 0.0
    temperature: float = MEASURED_AT

    def seen(self, nominal_states: tuple[float, float], silent: float) -> tuple[float, float]:
        """Offset and factor of states, as readings see them.

        Args:
            nominal_states: mean state of ON and of OFF cells.
            silent: the state that conducts nothing.

        Raises:
            SettingsError: ON cells would conduct no more than OFF cells.
        """
        if not (self.on_energy or self.off_energy):
            return 0.0, 1.0
        inverse = ELEMENTARY_CHARGE / BOLTZMANN * (1 / self.temperature - 1 / MEASURED_AT)  # 1/eV
        on, off = (
            silent - math.exp(-energy * inverse) * (silent - state)
            for energy, state in zip((self.on_energy, self.off_energy), nominal_states, strict=True)
        )
        if on >= off:
            raise SettingsError(
                f"device.on_activation_energy = {self.on_energy:g} eV and device.off_activation_energy = "
                f"{self.off_energy:g} eV let ON cells conduct no more than OFF cells at {self.temperature:g} K; give "
                f"a temperature nearer to {MEASURED_AT:g} K, or other energies"
            )
        factor = (off - on) / (nominal_states[1] - nominal_states[0])
        return on - factor * nominal_states[0], factor
