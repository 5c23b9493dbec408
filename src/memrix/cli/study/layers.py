"""What commands share that study the layers of a model on a chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix.cli.study.functions import NAMED_METRICS, function_of
from memrix.cli.study.model_study import (
    ModelStudySettings,
    Result,
    check_model_study,
    made_arguments,
    write_results,
)
from memrix.errors import SettingsError

if TYPE_CHECKING:
    from memrix.hardware import Hardware
    from memrix.studies.metric import Metric


@dataclass(frozen=True)
class LayerStudySettings(ModelStudySettings):
    """A model, data and a metric that says which figures are better.

    Attributes:
        better: larger or smaller: which figures of a function of your own are better.
        digital: name patterns of layers that stay digital, separated by commas.
        chips: number of chips.
    """

    better: str | None = None
    digital: tuple[str, ...] = ()
    chips: int = 1


def check_layer_study(given: dict[str, Any], hardware: str, json: Path | None, chart: Path | None) -> None:
    """What is cheap to check is checked before torch is imported.

    Raises:
        MemrixError: an argument is missing, or names what is not there; or a file cannot be written.
    """
    check_model_study(given, hardware, json, chart)
    metric = given.get("metric", LayerStudySettings.metric)
    if metric not in NAMED_METRICS and "better" not in given:
        raise SettingsError("--better is missing: whether a larger or a smaller figure of --metric is better")
    if given.get("better", "larger") not in ("larger", "smaller"):
        raise SettingsError(f"--better must be larger or smaller, got {given['better']!r}")
    if metric in NAMED_METRICS and "better" in given:
        raise SettingsError(f"--better belongs to a function of your own; which {metric} is better is known")


def run_layer_study(
    given: dict[str, Any],
    hardware: str,
    study: Callable[..., Result],
    *,
    json: Path | None,
    chart: Path | None,
    progress: Callable[[Callable[[str], None]], Callable[..., None]],
) -> Result:
    """Run a study with progress on stderr and its tables on stdout; write what was asked for.

    Args:
        given: fields of the settings.
        hardware: a preset or a file.
        study: ``memrix.sensitivity``, ``memrix.attribution`` or ``memrix.allocate``.
        json: file to write; None: none.
        chart: likewise.
        progress: makes the function that the study calls of one that takes a text.

    Raises:
        MemrixError: input that cannot be used.
    """
    from memrix.cli.display import TerminalReporter
    from memrix.hardware import Hardware

    model, batches, name, options = made_arguments(given)
    metric = _metric(name, options.pop("better", None))
    chip = with_digital(Hardware.named(hardware), options.pop("digital", ()))
    result = study(model, chip, batches, metric, **options, progress=progress(TerminalReporter().note))
    print(result)
    write_results(result, {"arguments": given, "hardware_given": chip.to_dict()}, json=json, chart=chart)
    return result


def _metric(name: str, better: str | None) -> str | Metric:
    if name in NAMED_METRICS:
        return name
    from memrix.studies.metric import Metric

    return Metric(function_of("--metric", name), higher_is_better=better == "larger")


def with_digital(chip: Hardware, patterns: tuple[str, ...]) -> Hardware:
    """A chip whose layers of these names stay digital."""
    return chip.replace(layers={**chip.layers, **dict.fromkeys(patterns, "digital")}) if patterns else chip


def numbered(say: Callable[[str], None]) -> Callable[[int, int, str], None]:
    """What studies call that count their steps."""
    return lambda done, total, what: say(f"{done + 1}/{total}  {what}")


def unnumbered(say: Callable[[str], None]) -> Callable[[str], None]:
    """What studies call that do not know how many steps they take."""
    return say
