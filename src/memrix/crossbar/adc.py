"""The ADC of a bit line: its settings, and what it does to readings (``convert_``)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from memrix._support.validation import plain_settings, require_choice, require_integer, require_number
from memrix.errors import SettingsError

MOST_BITS = 20  # of the precision or of the range of an ADC
LEAST_GAIN, MOST_GAIN = 1e-6, 1e6  # in front of an ADC


@dataclass(frozen=True)
class ADC:
    """Uniform converter, one conversion per tile and column, on the current of differential bit lines.

    A reading of 1 is the difference of one nominal ON and one nominal OFF cell at full input voltage.

    Attributes:
        precision_bits: steps of ``2**-precision_bits``.
        range_bits: readings are clipped at ``2**(range_bits - 1)`` on either side.
        gain: amplification in front of the converter, undone digitally: steps and range become finer by it.
        per_layer: whether ``memrix.program`` gives every layer the split of the bits and the gain that suit its
            readings best; bits in all stay the same. ``memrix.calibrate`` collects the inputs that this takes.
    """

    precision_bits: int = 4
    range_bits: int = 4
    gain: float = 1.0
    per_layer: bool = False

    def __post_init__(self) -> None:
        plain_settings(self)
        require_integer("adc.precision_bits", self.precision_bits, 0, MOST_BITS)
        require_integer("adc.range_bits", self.range_bits, 0, MOST_BITS)
        require_number("adc.gain", self.gain, LEAST_GAIN, MOST_GAIN, why="no amplifier has more than 120 dB")
        require_choice("adc.per_layer", self.per_layer, (True, False))
        if self.precision_bits + self.range_bits < 1:
            raise SettingsError(
                f"an ADC needs at least one bit, got precision_bits={self.precision_bits} and "
                f"range_bits={self.range_bits}; the paper uses 4 and 4"
            )
        if self.precision_bits + self.range_bits > 24:
            raise SettingsError(
                f"an ADC of precision_bits={self.precision_bits} and range_bits={self.range_bits} is finer than "
                f"float32 can tell; let them add up to at most 24"
            )

    @property
    def bits(self) -> int:
        """Precision and range together."""
        return self.precision_bits + self.range_bits

    @property
    def step(self) -> float:
        """Reading of one step."""
        return 2.0**-self.precision_bits / self.gain

    @property
    def largest_code(self) -> float:
        """Steps to either end of the range."""
        return 2.0 ** (self.precision_bits + self.range_bits - 1)


def convert_(steps: Tensor, limit: float) -> Tensor:
    """Convert readings in units of the step, of any shape, in place.

    ``kernels._convert`` is the same in compiled loops.

    Args:
        steps: float32.
        limit: ``ADC.largest_code``.

    Returns:
        How many were clipped, an int64 scalar.
    """
    steps.round_()
    clipped = (steps.abs() > limit).sum()
    steps.clamp_(-limit, limit)
    return clipped
