"""The causes of error of a chip, and the chip that only some of them act on.

``with_causes`` describes a chip of the same weights, inputs and tiles that has no errors but those of the causes that
act: their settings are taken over. Quantization is no such setting: a chip holds integers and reads codes, so studies
add digitally what it costs (``memrix.studies.switching``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from memrix._support.tables import listed
from memrix.crossbar import ADC
from memrix.hardware import Hardware

_LOSSLESS_BITS = 12  # of an ADC, in precision or range: below any error that is measured here
_MOST_BITS = 24  # of an ADC, in all
_KEPT = (
    *("weight_bits", "weight_scale", "weight_range", "mapping", "tile", "device.parameters"),
    *("dac.bits", "dac.vmax", "dac.inputs", "column_calibration"),
)


@dataclass(frozen=True)
class Cause:
    """Settings of a chip that bring one cause of error about.

    Attributes:
        name: for tables.
        settings: dotted names of settings. They are those of the chip; all others are of a chip without errors. None
            where the cause is a digital one: quantization.
        requires: names of the causes without which it does not exist.
    """

    name: str
    settings: tuple[str, ...]
    requires: tuple[str, ...] = ()

    @property
    def digital(self) -> bool:
        """Whether it is quantization, which a chip shares with the quantized network."""
        return not self.settings

    @property
    def said(self) -> str:
        """The name, and what it cannot act without."""
        return f"{self.name}, with {' and '.join(self.requires)}" if self.requires else self.name

    def acts_on(self, hardware: Hardware) -> bool:
        """Whether a chip has this cause."""
        others = [cause for cause in CAUSES if cause not in (self, *dependents(self))]
        return self.digital or with_causes(hardware, [*others, self]) != with_causes(hardware, others)


WEIGHTS = Cause("weight quantization", ())
ACTIVATIONS = Cause("activation quantization", ())
_RESOLUTION, _CLIPPING, _PROGRAMMING = "ADC resolution", "ADC clipping", "programming"

CAUSES = (
    WEIGHTS,
    ACTIVATIONS,
    Cause(_PROGRAMMING, ("programming",)),
    Cause("non-linear I(U)", ("dac.levels",)),
    Cause("wires", ("wires",)),
    Cause(_RESOLUTION, ("adc.precision_bits", "adc.gain")),
    Cause(_CLIPPING, ("adc.range_bits", "adc.gain")),
    Cause(
        "converter mismatch",
        tuple(
            f"adc.{name}"
            for name in (
                *("offset_error", "gain_error", "capacitor_mismatch", "noise", "stuck_lsb"),
                "columns_per_converter",
            )
        ),
        # They are shares of a step, which say nothing where there are no steps.
        (_RESOLUTION, _CLIPPING),
    ),
    Cause("mismatch of DAC levels", ("dac.level_mismatch",)),
    Cause("read noise", ("noise", "device.temperature", "device.bandwidth")),
    Cause("stuck cells", ("faults",)),
    Cause("relaxation", ("relaxation", "drift.seconds")),
    Cause("slow telegraph noise", ("telegraph", "drift.seconds")),
    Cause("drift", ("drift",)),
    Cause("read disturb", ("device.read_disturb",), (_PROGRAMMING,)),  # no reading switches an ideal cell
    Cause(
        "temperature of currents",
        ("device.temperature", "device.on_activation_energy", "device.off_activation_energy"),
    ),
)


def required(cause: Cause) -> list[Cause]:
    """The causes without which a cause does not exist."""
    return [other for other in CAUSES if other.name in cause.requires]


def dependents(cause: Cause) -> list[Cause]:
    """The causes that do not exist without a cause."""
    return [other for other in CAUSES if cause.name in other.requires]


def without_errors(hardware: Hardware) -> Hardware:
    """A chip of the same weights, inputs and tiles that computes what the quantized network does."""
    ideal = Hardware.preset("ideal").replace(**_settings(hardware, _KEPT))
    precision = max(_LOSSLESS_BITS, hardware.adc.precision_bits)
    bits = min(max(_LOSSLESS_BITS, hardware.adc.range_bits), _MOST_BITS - precision)
    return ideal.replace(adc=ADC(precision_bits=precision, range_bits=bits))


def with_causes(hardware: Hardware, causes: Iterable[Cause]) -> Hardware:
    """A chip without errors but for those of some causes, which act as in ``hardware``.

    Args:
        hardware: whose ADC is the same for all layers (``adc.per_layer`` is off), or the split that is found would
            change with the causes.
        causes: that act; digital ones change nothing.

    Raises:
        ValueError: one of them requires another that does not act.
    """
    acting = list(causes)
    for cause in acting:
        if missing := [other.name for other in required(cause) if other not in acting]:
            raise ValueError(f"{cause.name} does not act without {listed(missing)}")
    settings = {name: value for cause in acting for name, value in _settings(hardware, cause.settings).items()}
    chip = without_errors(hardware).replace(**settings)
    # Wires cost a chip that is programmed for them what this leaves.
    made_up_for = not chip.wires.ideal and hardware.compensates_wires
    return chip.replace(**{"programming.compensate_wires": True}) if made_up_for else chip


def alone(hardware: Hardware, cause: Cause) -> Hardware:
    """A chip without errors but for those of one cause, and of what it requires."""
    return with_causes(hardware, [*required(cause), cause])


def _settings(hardware: Hardware, names: Iterable[str]) -> dict[str, Any]:
    found = {}
    for name in names:
        part, _, setting = name.partition(".")
        value = getattr(hardware, part)
        found[name] = getattr(value, setting) if setting else value
    return found
