"""`memrix study sensitivity`: what each layer of a model costs on a chip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memrix.cli.options import options_from
from memrix.cli.study.layer import Figures
from memrix.cli.study.layers import LayerStudySettings, check_layer_study, numbered, run_layer_study
from memrix.cli.study.model_study import ChartFile


@dataclass(frozen=True)
class SensitivitySettings(LayerStudySettings):
    """A ranking of layers.

    Attributes:
        groups: name patterns, separated by commas, each of which is switched as a whole. By default every layer is.
    """

    groups: tuple[str, ...] = ()


@options_from(SensitivitySettings)
def sensitivity(
    given: dict[str, Any],
    hardware: str = "physical",
    /,
    *,
    json: Figures = None,
    chart: ChartFile = None,
) -> None:
    """Rank the layers of a model by what each costs on a chip.

    Each layer is measured with only it on the chip, and with only it digital. Its cost is the mean of what the first
    costs and what the second gains.

    Parameters
    ----------
    hardware
        A preset, or a TOML or JSON file.
    """
    check_layer_study(given, hardware, json, chart)

    import memrix

    run_layer_study(given, hardware, memrix.sensitivity, json=json, chart=chart, progress=numbered)
