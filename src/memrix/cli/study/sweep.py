"""`memrix study sweep`: a metric over settings of the hardware."""

from __future__ import annotations

import json as documents
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from memrix._support.wording import shown
from memrix.cli.options import options_from
from memrix.cli.study.layer import Figures
from memrix.cli.study.many_chips import StudySettings, check_study, run_study
from memrix.cli.study.model_study import ChartFile
from memrix.errors import SettingsError

Values = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        negative="",
        show_default=False,
        help="Setting and its values, such as adc.range_bits=4,6. All combinations of several are measured.",
    ),
]


@dataclass(frozen=True)
class SweepSettings(StudySettings):
    """A sweep.

    Attributes:
        chips: number of chips of each combination.
    """

    chips: int = 1


@options_from(SweepSettings)
def sweep(
    given: dict[str, Any],
    hardware: str = "physical",
    /,
    *,
    values: Values = (),
    json: Figures = None,
    chart: ChartFile = None,
) -> None:
    """Measure a metric over settings of the hardware, on several chips each.

    Every combination is measured on chips of the same seeds. The table has the mean over the chips, its interval over
    chips, its interval over chips and data, and the deviation between chips.

    Parameters
    ----------
    hardware
        A preset, or a TOML or JSON file.
    """
    settings = parsed(values)
    check_study(given, hardware, json, chart)

    import memrix

    run_study(given, hardware, memrix.sweep, settings, json=json, chart=chart)


def parsed(texts: tuple[str, ...]) -> dict[str, list[Any]]:
    """Values by setting, of ``name=value,value``: numbers, true and false, or texts.

    Raises:
        SettingsError: a text is something else, or a setting is given twice.
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name or not values:
            raise SettingsError(f"--set takes a setting and its values, such as weight_bits=2,3,4, got {shown(text)}")
        if name in found:
            raise SettingsError(f"--set {name} is given twice; give all of its values once: {name}=...")
        found[name] = [_value(part.strip()) for part in values.split(",")]
    if not found:
        raise SettingsError("--set is missing: what to vary, such as --set weight_bits=2,3,4")
    return found


def _value(text: str) -> Any:  # noqa: ANN401
    try:
        value = documents.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float)) else text
