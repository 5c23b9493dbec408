"""What each cause of error on a chip costs when it acts alone, on one standard layer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor, nn

from memrix._support.tables import markdown
from memrix.crossbar import Wires
from memrix.hardware import Hardware
from memrix.model.calibration import calibrate
from memrix.model.conversion import crossbar_layers, program, quantize
from memrix.model.reversion import to_digital
from memrix.studies.causes import CAUSES, alone, without_errors
from memrix.studies.standard_layer import StandardLayer, error_cell, output_error, output_of

_MOST_BITS = 16


@dataclass(frozen=True)
class CauseRow:
    """The error that one cause brings about.

    Attributes:
        cause: its name.
        error: root mean square of the change of the outputs, as a share of the root mean square of the outputs; mean
            over the chips.
        corrected: the same after a digital gain and offset for each column, fitted to the chip; None where no chip
            is involved.
    """

    cause: str
    error: float
    corrected: float | None = None


@dataclass(frozen=True)
class CauseStudy:
    """Causes one by one, and all together.

    Quantization is measured against the float layer, all else against the quantized layer.
    """

    rows: tuple[CauseRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return asdict(self)

    def to_markdown(self) -> str:
        """A table for a document."""
        rows = [(row.cause, error_cell(row.error), error_cell(row.corrected)) for row in self.rows]
        return markdown(("cause", "error", "after column correction"), rows)


def study_causes(
    hardware: Hardware, layer: StandardLayer | None = None, *, progress: Callable[[str], None] | None = None
) -> CauseStudy:
    """The error of one layer by cause: each alone, and all together.

    Args:
        hardware: whose causes act.
        layer: the standard one by default.
        progress: called with the name of each cause before it is measured.

    Raises:
        SettingsError: the hardware cannot be used for such a layer.
    """
    layer = layer or StandardLayer()
    model, vectors = layer.made()
    in_float = output_of(model, vectors)
    # Samples for every chip below: columns are corrected on them.
    calibrate(model, [vectors], hardware.replace(column_calibration=True))
    base = without_errors(hardware)
    ideal = program(model, base)
    exact, weights = output_of(ideal, vectors), output_of(to_digital(ideal), vectors)
    fine = copy.deepcopy(model)
    quantize(fine, base.replace(weight_bits=_MOST_BITS))
    rows = [
        CauseRow("weight quantization", output_error(weights, in_float)),
        CauseRow("activation quantization", output_error(output_of(fine, vectors), in_float)),
    ]
    whole = _with_found_adc(model, hardware)
    acting = [cause for cause in CAUSES if cause.settings and cause.acts_on(whole)]
    trials = {cause.said: alone(whole, cause) for cause in acting} | {"all together": hardware}
    for name, chip in trials.items():
        if progress is not None:
            progress(name)
        errors = [
            _mean_error(model, chip.replace(column_calibration=corrected), vectors, exact, layer)
            for corrected in (False, True)
        ]
        rows.append(CauseRow(name, *errors))
    return CauseStudy(tuple(rows))


def _with_found_adc(model: nn.Module, hardware: Hardware) -> Hardware:
    """The chip with the ADC that suits this layer, where it has one for each layer."""
    if not hardware.adc.per_layer:
        return hardware
    # Other causes act without wires, which make the currents smaller.
    (layer,) = crossbar_layers(program(model, hardware.replace(wires=Wires())))
    found = layer.memrix.programmed.crossbar.circuit.adc
    return hardware.replace(adc=replace(found, per_layer=False))


def _mean_error(model: nn.Module, hardware: Hardware, vectors: Tensor, exact: Tensor, layer: StandardLayer) -> float:
    chips = (program(model, hardware, seed=layer.seed + chip) for chip in range(layer.chips))
    return sum(output_error(output_of(chip, vectors), exact) for chip in chips) / layer.chips
