"""`memrix study causes`: what each cause of error on a chip costs when it acts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memrix.cli.options import options_from
from memrix.cli.study.layer import Figures, Report, Study, measure
from memrix.studies.standard_layer import StandardLayer

if TYPE_CHECKING:
    from memrix.hardware import Hardware


@options_from(StandardLayer)
def causes(
    given: dict[str, Any],
    hardware: str = "physical",
    /,
    *,
    seconds: float | None = None,
    json: Figures = None,
) -> None:
    """Measure the error of one linear layer by cause: each cause alone, and all together.

    Weights and inputs are normally distributed. The error is the root mean square of what a cause changes in the
    outputs, as a share of the root mean square of the outputs: quantization against the float layer, all else against
    the quantized layer. The second column is the error after a digital gain and offset for each column, fitted to the
    chip.

    Parameters
    ----------
    hardware
        A preset, or a TOML or JSON file.
    seconds
        Time since the chip was programmed, in s. By default that of the hardware. Columns are
        corrected as programmed.
    """
    measure(_study, given, hardware, json, seconds)


def _study(chip: Hardware, layer: StandardLayer, report: Report) -> Study:
    from memrix.studies.layer_causes import study_causes

    return study_causes(chip, layer, progress=report)
