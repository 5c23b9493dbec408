"""How charts show the features of a device."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from memrix.device.parameters import HRS


@dataclass(frozen=True)
class Quantity:
    """How charts show a feature: its values times ``factor``, and their spread times ``spread_factor``."""

    name: str
    unit: str
    density: str
    spread: str
    factor: float = 1.0
    spread_factor: float = 1.0

    @property
    def label(self) -> str:
        """Of an axis."""
        return f"{self.name} ({self.unit})"


# In the order of FEATURES; the logarithm of the OFF resistance is shown on a logarithmic axis.
QUANTITIES = (
    Quantity("OFF resistance", "kΩ", "per decade", "{:.3f} decades"),
    Quantity("SET voltage", "V", "per V", "{:.0f} mV", spread_factor=1e3),
    Quantity("ON resistance", "kΩ", "per kΩ", "{:.0f} Ω", factor=1e-3),
    Quantity("RESET voltage", "V", "per V", "{:.0f} mV", spread_factor=1e3),
)


def shown(values: Tensor, feature: int) -> Tensor:
    """Values of a feature as its axis shows them."""
    return 10**values / 1e3 if feature == HRS else values * QUANTITIES[feature].factor
