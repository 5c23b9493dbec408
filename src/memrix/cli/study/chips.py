"""`memrix study chips`: a metric on many chips of one hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memrix.cli.options import options_from
from memrix.cli.study.layer import Figures
from memrix.cli.study.many_chips import StudySettings, check_study, run_study
from memrix.cli.study.model_study import ChartFile


@dataclass(frozen=True)
class ChipsSettings(StudySettings):
    """A study of many chips.

    Attributes:
        chips: number of chips, at most.
        half_width: stop as soon as half the interval over chips is as narrow as this, in units of the metric.
        relative: stop likewise, as a share of the mean.
    """

    chips: int = 20
    half_width: float | None = None
    relative: float | None = None


@options_from(ChipsSettings)
def chips(
    given: dict[str, Any],
    hardware: str = "physical",
    /,
    *,
    json: Figures = None,
    chart: ChartFile = None,
) -> None:
    """Measure a metric on many chips of one hardware.

    Prints the mean, its interval over chips (Student's t), its interval over chips and data (a bootstrap), and the
    quantiles of the chips. With --half-width or --relative, the study ends as soon as the first interval is that
    narrow.

    Parameters
    ----------
    hardware
        A preset, or a TOML or JSON file.
    """
    check_study(given, hardware, json, chart)

    import memrix

    run_study(given, hardware, memrix.monte_carlo, json=json, chart=chart)
