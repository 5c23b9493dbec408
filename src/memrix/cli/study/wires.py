"""`memrix study wires`: what wires cost, and what programming for them gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memrix.cli.options import options_from
from memrix.cli.study.layer import Figures, Report, Study, measure
from memrix.studies.standard_layer import StandardLayer

if TYPE_CHECKING:
    from memrix.hardware import Hardware


@options_from(StandardLayer)
def wires(
    given: dict[str, Any],
    hardware: str = "tuned",
    /,
    *,
    json: Figures = None,
) -> None:
    """Measure the error of one linear layer behind wires of several resistances, on tiles of several sizes.

    Weights and inputs are normally distributed. The error is the root mean square of the difference to the outputs of
    the quantized layer, as a share of the root mean square of these: with nothing done, with a digital gain and
    offset for each column, and programmed for the wires, where the protocol reaches levels.

    Parameters
    ----------
    hardware
        A preset, or a TOML or JSON file.
    """
    measure(_study, given, hardware, json)


def _study(chip: Hardware, layer: StandardLayer, report: Report) -> Study:
    from memrix.studies.wires import study_wires

    return study_wires(chip, layer, progress=report)
