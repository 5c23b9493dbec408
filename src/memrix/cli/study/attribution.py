"""`memrix study attribution`: which causes of error cost a model what, and what to change first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memrix.cli.options import options_from
from memrix.cli.study.layer import Figures
from memrix.cli.study.layers import LayerStudySettings, check_layer_study, numbered, run_layer_study
from memrix.cli.study.model_study import ChartFile


@dataclass(frozen=True)
class AttributionSettings(LayerStudySettings):
    """Causes of error.

    Attributes:
        orders: random orders in which causes are added one after the other, which leave no residual. Each takes as
            many more chips as there are causes.
        remedies: how many changes of the hardware are measured, those that promise most.
    """

    orders: int = 0
    remedies: int = 6


@options_from(AttributionSettings)
def attribution(
    given: dict[str, Any],
    hardware: str = "physical",
    /,
    *,
    json: Figures = None,
    chart: ChartFile = None,
) -> None:
    """Split the error of a model and of its layers by cause, and measure what to change first.

    Each cause is measured alone, on a chip without other errors, and removed from the chip. Its share of the error
    power is the mean of both; what the shares do not add up to is printed.

    Parameters
    ----------
    hardware
        A preset, or a TOML or JSON file.
    """
    check_layer_study(given, hardware, json, chart)

    import memrix

    run_layer_study(given, hardware, memrix.attribution, json=json, chart=chart, progress=numbered)
