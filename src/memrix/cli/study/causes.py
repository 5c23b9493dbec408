"""`memrix study causes`: what each cause of error on a chip costs when it acts alone."""

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
def causes(
    given: dict[str, Any],
    hardware: str = "physical",
    /,
    *,
    json: Annotated[Path | None, Parameter(help="JSON file to write the figures and the settings to.")] = None,
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
    """
    check_distinct(json)
    check_output(json)
    check_hardware(hardware)

    from memrix.hardware import Hardware
    from memrix.studies.causes import study_causes

    layer, chip = StandardLayer(**given), Hardware.named(hardware)
    study = study_causes(chip, layer, progress=lambda cause: message(f"measuring {cause}"))
    print(study.to_markdown(), end="")
    if json is not None:
        figures = {**study.to_dict(), "layer": asdict(layer), "hardware": chip.to_dict()}
        json.write_text(dumps(figures, indent=2) + "\n", encoding="utf-8")
        message(f"figures: {json}")
