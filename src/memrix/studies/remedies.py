"""What can be changed about a chip against each cause of error, and what a change did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from memrix._support.tables import error_percent
from memrix.hardware import Hardware
from memrix.model.patterns import HardwareChoice

Changes = Mapping[str, Any]
_FEWEST_ROWS = 16
_WIDER_ON = 0.95  # of the current of a nominal ON cell
_MOST_CAUSES = 2  # that are told of a remedy in a table
_MOST_WEIGHT_BITS, _MOST_DAC_BITS, _MOST_ADC_BITS = 8, 14, 16


@dataclass(frozen=True)
class Remedy:
    """A change of the hardware.

    Attributes:
        text: what is changed, and what that takes.
        changes: settings of a chip that change, by dotted names; None where there is nothing to change.
        removes: share of the error power of causes, by name, that it is expected to take away. It only decides in
            which order remedies are measured.
        for_trained: whether it suits weights that were trained to the integers of the chip, too.
    """

    text: str
    changes: Callable[[Hardware], Changes | None]
    removes: Mapping[str, float]
    for_trained: bool = True

    def applied(self, hardware: Hardware) -> Hardware:
        """A chip with the change; the chip itself where there is nothing to change."""
        changes = self.changes(hardware)
        return hardware.replace(**changes) if changes else hardware


@dataclass(frozen=True)
class MeasuredRemedy:
    """A change of the hardware that was measured on the chips of a study.

    Attributes:
        text: what is changed, and what that takes.
        causes: that it is against, the largest first.
        hardware: with the change, as ``memrix.program`` takes it.
        predicted: error power of the outputs of the network, as a share of their power, that was expected.
        error: that was measured; mean over the chips.
        error_before: without the change.
        before: the metric without the change; mean over the chips.
        after: the metric with it.
        gain: how much better it is.
        deviation: standard error of the gain, from item to item of the data.
        cells: of the chip, with the change.
        cells_before: without it.
    """

    text: str
    causes: tuple[str, ...]
    hardware: HardwareChoice
    predicted: float
    error: float
    error_before: float
    before: float
    after: float
    gain: float
    deviation: float
    cells: int
    cells_before: int

    @property
    def helps(self) -> bool:
        """Whether the metric improves, or stays and the error power falls."""
        return self.gain > 0 or (self.gain == 0 and self.error < self.error_before)

    @property
    def rank(self) -> tuple[float, float]:
        """The gain as far as it is certain, then the error power that is gone."""
        return (max(self.gain - self.deviation, 0.0), self.error_before - self.error)

    @property
    def row(self) -> tuple[str, ...]:
        """Cells of a table."""
        cells = "the same" if self.cells == self.cells_before else f"x{self.cells / self.cells_before:.2f}"
        power = f"{error_percent(self.error_before)} -> {error_percent(self.error)}"
        against = f"{self.text} (against {' and '.join(self.causes[:_MOST_CAUSES])})"
        return (power, f"{self.before:.4g}", f"{self.after:.4g}", cells, against)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and tables."""
        plain = {name: value for name, value in vars(self).items() if name != "hardware"}
        return {**plain, "causes": list(self.causes), "hardware": _plain(self.hardware)}


def _plain(hardware: HardwareChoice) -> dict[str, Any]:
    if isinstance(hardware, Hardware):
        return hardware.to_dict()
    return {name: None if chip is None else chip.to_dict() for name, chip in hardware.items()}


def _more_weight_bits(chip: Hardware) -> Changes | None:
    bits = max(chip.weight_bits, 2) + 1
    return {"weight_bits": bits} if bits <= _MOST_WEIGHT_BITS else None


def _more_dac_bits(chip: Hardware) -> Changes | None:
    return {"dac.bits": chip.dac.bits + 1} if chip.dac.bits < _MOST_DAC_BITS else None


def _scale_for_each_output(chip: Hardware) -> Changes | None:
    return {"weight_scale": "per-output-channel"} if chip.weight_scale == "per-tensor" else None


def _least_error_range(chip: Hardware) -> Changes | None:
    return {"weight_range": "mean-square-error"} if chip.weight_range == "abs-max" else None


def _closed_loop(chip: Hardware) -> Changes | None:
    if chip.programming.analog or chip.programming.name == "write-verify":
        return None
    return {"programming": Hardware.preset("tuned").programming}


def _wider_window(chip: Hardware) -> Changes | None:
    on = getattr(chip.programming, "on", None)
    return {"programming.on": _WIDER_ON} if on is not None and on < _WIDER_ON else None


def _verified(chip: Hardware) -> Changes | None:
    return {"programming": "write-verify"} if chip.programming.name == "reset-set" else None


def _linearizing(chip: Hardware) -> Changes | None:
    return {"dac.levels": "linearizing"} if chip.dac.levels != "linearizing" else None


def _bit_serial(chip: Hardware) -> Changes | None:
    return None if chip.dac.bit_serial else {"dac.inputs": "bit-serial", "dac.level_mismatch": 0.0}


def _for_wires(chip: Hardware) -> Changes | None:
    if chip.wires.ideal or chip.compensates_wires:
        return None
    if chip.programming.analog and hasattr(chip.programming, "compensate_wires"):
        return {"programming.compensate_wires": True}
    return {"programming": Hardware.preset("tuned").programming, "programming.compensate_wires": True}


def _fewer_rows(chip: Hardware) -> Changes | None:
    rows = chip.tile.rows // 2
    if rows < _FEWEST_ROWS or chip.tile.rows % 2 or (chip.wires.rows_at_once or 1) > rows:
        return None
    return {"tile.rows": rows}


def _columns(chip: Hardware) -> Changes | None:
    return None if chip.column_calibration else {"column_calibration": True}


def _split_of_each_layer(chip: Hardware) -> Changes | None:
    return None if chip.adc.per_layer else {"adc.per_layer": True}


def _adc_bit(precision: int, reach: int) -> Callable[[Hardware], Changes | None]:
    def changes(chip: Hardware) -> Changes | None:
        bits = (chip.adc.precision_bits + precision, chip.adc.range_bits + reach)
        if min(bits) < 0 or not 1 <= sum(bits) <= _MOST_ADC_BITS or (chip.adc.per_layer and precision * reach):
            return None
        return {"adc.precision_bits": bits[0], "adc.range_bits": bits[1]}

    return changes


def _slower(chip: Hardware) -> Changes | None:
    return {"device.bandwidth": chip.device.bandwidth / 4} if chip.noise == "physical" else None


_CELLS = ("programming", "relaxation", "drift", "slow telegraph noise", "read noise", "stuck cells")

REMEDIES = (
    Remedy("a weight scale for each output", _scale_for_each_output, {"weight quantization": 0.5}, for_trained=False),
    Remedy(
        "weight ranges of least error, which use more of the integers",
        _least_error_range,
        {"weight quantization": 0.2, **dict.fromkeys(_CELLS, 0.2)},
        for_trained=False,
    ),
    # Errors of cells average over one more bit slice: by half from one slice to two, by less from then on.
    Remedy(
        "one more bit of weights, in cells of their own",
        _more_weight_bits,
        {"weight quantization": 0.75, **dict.fromkeys(_CELLS, 0.3)},
        for_trained=False,
    ),
    Remedy(
        "ON cells that ramps leave closer to the largest current",
        _wider_window,
        dict.fromkeys(("relaxation", "slow telegraph noise", "read noise"), 0.2),
    ),
    Remedy("one more bit of activations", _more_dac_bits, {"activation quantization": 0.75}),
    Remedy("closed-loop ramps to program the cells, about 65 pulses each", _closed_loop, {"programming": 0.9}),
    Remedy("write-verify to program the cells", _verified, {"programming": 0.5}),
    Remedy("linearizing DAC levels", _linearizing, {"non-linear I(U)": 1.0}),
    Remedy(
        "bit-serial inputs, a reading for each bit",
        _bit_serial,
        {"mismatch of DAC levels": 1.0, "non-linear I(U)": 0.8},
    ),
    Remedy("cells programmed for their wires", _for_wires, {"wires": 0.95, "programming": 0.3}),
    Remedy("tiles of half as many rows", _fewer_rows, {"wires": 0.6, "ADC clipping": 0.5}),
    Remedy(
        "a digital gain and offset for each column",
        _columns,
        {"wires": 0.5, "converter mismatch": 0.6, "programming": 0.05, "non-linear I(U)": 0.3, "stuck cells": 0.1},
    ),
    Remedy(
        "the ADC split and gain that suit each layer, of as many bits",
        _split_of_each_layer,
        {"ADC resolution": 0.7, "ADC clipping": 0.9},
    ),
    Remedy("an ADC bit moved from precision to range", _adc_bit(-1, 1), {"ADC clipping": 0.9}),
    Remedy("an ADC bit moved from range to precision", _adc_bit(1, -1), {"ADC resolution": 0.75}),
    Remedy("one more bit of ADC range", _adc_bit(0, 1), {"ADC clipping": 0.9}),
    Remedy("one more bit of ADC precision", _adc_bit(1, 0), {"ADC resolution": 0.75, "converter mismatch": 0.7}),
    Remedy("readings of a quarter of the bandwidth, four times as long", _slower, {"read noise": 0.75}),
)
"""Everything that is tried. A remedy of your own is one more line."""
