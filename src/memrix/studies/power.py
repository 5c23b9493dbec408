"""The power of outputs, and of their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from memrix.model.sqnr import Energies


@dataclass
class Power(Energies):
    """Energies of outputs without errors, and of what others differ from them by."""

    @property
    def relative(self) -> float:
        """Error power as a share of the power of the outputs without errors; 0 where neither has any."""
        if self.signal:
            return self.error / self.signal
        return math.inf if self.error else 0.0

    def add(self, given: Tensor, meant: Tensor) -> None:
        """Add outputs of any shape, and those without errors."""
        self.signal += float(meant.double().square().sum())
        self.error += float((given.double() - meant.double()).square().sum())
