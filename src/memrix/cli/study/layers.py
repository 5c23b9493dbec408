"""What commands share that study the layers of a model on a chip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from cyclopts import Parameter

from memrix._support.lazy import installed_version
from memrix.cli.arguments import check_hardware
from memrix.cli.messages import message
from memrix.cli.outputs import check_results
from memrix.cli.study.functions import NAMED_METRICS, check_functions, function_of, made
from memrix.errors import SettingsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from memrix.hardware import Hardware
    from memrix.studies.metric import Metric

ChartFile = Annotated[Path | None, Parameter(help="Chart to write: PNG, SVG or PDF.")]
_REQUIRED = ("model", "batches")


@dataclass(frozen=True)
class LayerStudySettings:
    """A model, data and a metric.

    Attributes:
        model: function without arguments that returns the model, as file.py:function.
        batches: function without arguments that returns the batches, likewise.
        metric: accuracy or loss, for batches of inputs and targets, or a function (model, batch) that returns the
            values of the items, as file.py:function.
        better: larger or smaller: which figures of that function are better.
        calibration: function without arguments that returns batches of inputs, for layers that are not calibrated. By
            default these are the inputs that the metric gives the model.
        digital: name patterns of layers that stay digital, separated by commas.
        chips: number of chips.
        seed: seed of the first chip; the next have the next seeds.
    """

    model: str | None = None
    batches: str | None = None
    metric: str = "accuracy"
    better: str | None = None
    calibration: str | None = None
    digital: tuple[str, ...] = ()
    chips: int = 1
    seed: int = 0


class Result(Protocol):
    """What was found."""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""

    def plot(self) -> Figure:
        """A chart."""


def check_layer_study(given: dict[str, Any], hardware: str, json: Path | None, chart: Path | None) -> None:
    """What is cheap to check is checked before torch is imported.

    Raises:
        MemrixError: an argument is missing, or names what is not there; or a file cannot be written.
    """
    check_functions(given)
    metric = given.get("metric", LayerStudySettings.metric)
    if metric not in NAMED_METRICS and "better" not in given:
        raise SettingsError("--better is missing: whether a larger or a smaller figure of --metric is better")
    if given.get("better", "larger") not in ("larger", "smaller"):
        raise SettingsError(f"--better must be larger or smaller, got {given['better']!r}")
    if metric in NAMED_METRICS and "better" in given:
        raise SettingsError(f"--better belongs to a function of your own; which {metric} is better is known")
    check_hardware(hardware)
    check_results(json, chart)


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
    from memrix.hardware import Hardware

    options = dict(given)
    model, batches = (made(f"--{name}", options.pop(name)) for name in _REQUIRED)
    metric = _metric(options.pop("metric", LayerStudySettings.metric), options.pop("better", None))
    if "calibration" in options:
        options["calibration"] = made("--calibration", options["calibration"])
    chip = _with_digital(Hardware.named(hardware), options.pop("digital", ()))
    with _shown() as say:
        result = study(model, chip, batches, metric, **options, progress=progress(say))
    print(result)
    if json is not None:
        about = {"arguments": given, "hardware_given": chip.to_dict(), "memrix": installed_version("memrix")}
        json.write_text(dumps({**result.to_dict(), **about}, indent=2) + "\n", encoding="utf-8")
        message(f"figures: {json}")
    if chart is not None:
        from memrix.studies.device_charts.style import save

        save(result.plot(), chart)
        message(f"chart: {chart}")
    return result


def _metric(name: str, better: str | None) -> str | Metric:
    if name in NAMED_METRICS:
        return name
    from memrix.studies.metric import Metric

    return Metric(function_of("--metric", name), higher_is_better=better == "larger")


def _with_digital(chip: Hardware, patterns: tuple[str, ...]) -> Hardware:
    return chip.replace(layers={**chip.layers, **dict.fromkeys(patterns, "digital")}) if patterns else chip


def numbered(say: Callable[[str], None]) -> Callable[[int, int, str], None]:
    """What studies call that count their steps."""
    return lambda done, total, what: say(f"{done + 1}/{total}  {what}")


def unnumbered(say: Callable[[str], None]) -> Callable[[str], None]:
    """What studies call that do not know how many steps they take."""
    return say


@contextmanager
def _shown() -> Iterator[Callable[[str], None]]:
    from memrix.cli.display import TerminalReporter

    yield TerminalReporter().note
