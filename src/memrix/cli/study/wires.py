"""`memrix study wires`: what wires cost, and what programming for them gives back."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from memrix.cli.arguments import check_hardware
from memrix.cli.messages import message
from memrix.cli.options import options_from
from memrix.cli.outputs import check_distinct, check_output
from memrix.studies.standard_layer import StandardLayer


@options_from(StandardLayer)
def wires(
    given: dict[str, Any],
    hardware: str = "tuned",
    /,
    *,
    json: Annotated[Path | None, Parameter(help="JSON file to write the figures and the settings to.")] = None,
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
    check_distinct(json)
    check_output(json)
    check_hardware(hardware)

    from memrix.hardware import Hardware
    from memrix.studies.wires import study_wires

    layer, chip = StandardLayer(**given), Hardware.named(hardware)
    study = study_wires(chip, layer, progress=lambda row: message(f"measuring {row}"))
    print(study.to_markdown(), end="")
    if json is not None:
        figures = {**study.to_dict(), "layer": asdict(layer), "hardware": chip.to_dict()}
        json.write_text(dumps(figures, indent=2) + "\n", encoding="utf-8")
        message(f"figures: {json}")
