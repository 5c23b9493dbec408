"""The ADC of a bit line: its settings, and what it does to readings (``convert_``)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from memrix._support.validation import plain_settings, require_choice, require_integer, require_number
from memrix.errors import SettingsError

MOST_BITS = 20  # of the precision or of the range of an ADC
LEAST_GAIN, MOST_GAIN = 1e-6, 1e6  # in front of an ADC
MOST_SAR_BITS = 16  # a trial level of more has no fractions left in float32
_MOST_STEPS = 1000.0  # standard deviation of an offset or of noise, in LSB
_MOST_SHARE = 0.2  # of a gain or a capacitor: at four standard deviations and more, it would change its sign


@dataclass(frozen=True)
class ADC:
    """Uniform converter, one conversion per tile and column, on the current of differential bit lines.

    A reading of 1 is the difference of one nominal ON and one nominal OFF cell at full input voltage. An LSB is one
    step of the converter, behind the gain.

    Converters are ideal by default. Errors are drawn with the chip, for every converter of every tile on its own;
    ``memrix.crossbar.converters`` has the model and its sources. ``column_calibration`` measures offset and gain of
    the columns and corrects them.

    Attributes:
        precision_bits: bits of precision: steps of ``2**-precision_bits``.
        range_bits: bits of range: readings are clipped at ``2**(range_bits - 1)`` on either side.
        gain: amplification in front of the converter, a factor that is undone digitally: steps and range become finer
            by it.
        per_layer: whether ``memrix.program`` gives every layer the split of the bits and the gain that suit its
            readings best; bits in all stay the same. ``memrix.calibrate`` collects the inputs that this takes.
        offset_error: standard deviation of the offset of a converter, in LSB.
        gain_error: standard deviation of its gain, as a share: 0.01 is 1 %.
        capacitor_mismatch: standard deviation of a unit capacitor of a SAR converter, as a share. Every converter
            has the integral non-linearity of its own capacitors, and ``2**bits`` codes: the largest one is a step
            below the end of the range.
        noise: input-referred noise of a conversion: its standard deviation in LSB.
        stuck_lsb: share of the converters whose lowest bit is always 0.
        columns_per_converter: number of neighboring columns of a tile that share one converter and its errors, and
            are converted one after the other.
    """

    precision_bits: int = 4
    range_bits: int = 4
    gain: float = 1.0
    per_layer: bool = False
    offset_error: float = 0.0
    gain_error: float = 0.0
    capacitor_mismatch: float = 0.0
    noise: float = 0.0
    stuck_lsb: float = 0.0
    columns_per_converter: int = 1

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
        self._require_errors()

    def _require_errors(self) -> None:
        for name in ("offset_error", "noise"):
            require_number(f"adc.{name}", getattr(self, name), 0.0, _MOST_STEPS, "LSB")
        for name in ("gain_error", "capacitor_mismatch"):
            why = "a standard deviation, as a share"
            require_number(f"adc.{name}", getattr(self, name), 0.0, _MOST_SHARE, why=why)
        require_number("adc.stuck_lsb", self.stuck_lsb, 0.0, 1.0, why="a share of the converters")
        require_integer("adc.columns_per_converter", self.columns_per_converter, 1, 1 << 20)
        if self.capacitor_mismatch and self.bits > MOST_SAR_BITS:
            raise SettingsError(
                f"adc.capacitor_mismatch is of SAR converters of at most {MOST_SAR_BITS} bits, got precision_bits="
                f"{self.precision_bits} and range_bits={self.range_bits}; give fewer bits, or capacitor_mismatch=0"
            )

    @property
    def bits(self) -> int:
        """Precision and range together."""
        return self.precision_bits + self.range_bits

    @property
    def ideal(self) -> bool:
        """Whether converters have no errors."""
        return not (self.drawn or self.noise)

    @property
    def drawn(self) -> bool:
        """Whether converters differ from each other."""
        return bool(self.offset_error or self.gain_error or self.capacitor_mismatch or self.stuck_lsb)

    @property
    def errors(self) -> str:
        """The errors in a few words, such as ``offset 0.5 LSB, gain 1%``; empty without any."""
        told = {
            "offset": self.offset_error and f"{self.offset_error:g} LSB",
            "gain": self.gain_error and f"{100 * self.gain_error:g}%",
            "capacitors": self.capacitor_mismatch and f"{100 * self.capacitor_mismatch:g}%",
            "noise": self.noise and f"{self.noise:g} LSB",
            "lowest bit stuck": self.stuck_lsb and f"{100 * self.stuck_lsb:g}%",
        }
        return ", ".join(f"{name} {amount}" for name, amount in told.items() if amount)

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

    ``converter_kernels.convert_ideally`` is the same in compiled loops.

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
