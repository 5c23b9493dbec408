"""`memrix study allocate`: bits of each layer for a budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from memrix.cli.messages import message
from memrix.cli.options import options_from
from memrix.cli.outputs import check_output
from memrix.cli.study.layer import Figures
from memrix.cli.study.layers import LayerStudySettings, check_layer_study, run_layer_study, unnumbered
from memrix.cli.study.model_study import ChartFile
from memrix.errors import SettingsError

if TYPE_CHECKING:
    from memrix.hardware import Hardware
    from memrix.studies.allocation_result import Allocation

ChipFile = Annotated[Path | None, Parameter(help="TOML or JSON file to write the hardware with these bits to.")]


@dataclass(frozen=True)
class AllocationSettings(LayerStudySettings):
    """A budget, and the bits to choose from.

    Attributes:
        budget: cells or energy, the least error with no more of these; or loss, the fewest cells with a metric that
            is no worse than the limit.
        limit: cells, energy of one input in J, or the metric. By default what the hardware takes or reaches.
        bits: bits of weights to choose from, separated by commas.
        chips: number of chips that allocations are compared on.
    """

    budget: str = "cells"
    limit: float | None = None
    bits: tuple[float, ...] = (2, 3, 4, 5, 6, 8)
    chips: int = 5


@options_from(AllocationSettings)
def allocate(
    given: dict[str, Any],
    hardware: str = "physical",
    /,
    *,
    output: ChipFile = None,
    json: Figures = None,
    chart: ChartFile = None,
) -> None:
    """Give each layer of a model the bits that it needs, and compare it with uniform bits of the same budget.

    Parameters
    ----------
    hardware
        A preset, or a TOML or JSON file.
    """
    check_layer_study(given, hardware, json, chart)
    check_output(output)
    if output is not None and output.suffix not in (".toml", ".json"):
        raise SettingsError(f"--output is a .toml or .json file, got {str(output)!r}")

    import memrix

    found = run_layer_study(given, hardware, memrix.allocate, json=json, chart=chart, progress=unnumbered)
    if output is not None:
        # A description by name or file always comes back as one.
        cast("Hardware", cast("Allocation", found).hardware).save(output)
        message(f"hardware: {output}")
