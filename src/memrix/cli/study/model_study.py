"""What commands share that study a model of the user's own files: its arguments, and what is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from cyclopts import Parameter

from memrix._support.documents import write_whole
from memrix._support.lazy import installed_version
from memrix.cli.arguments import check_hardware, command
from memrix.cli.messages import message
from memrix.cli.outputs import check_results
from memrix.cli.study.functions import check_functions, made

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ChartFile = Annotated[Path | None, Parameter(help="Chart to write: PNG, SVG or PDF.")]


@dataclass(frozen=True)
class ModelStudySettings:
    """A model, data and a metric.

    Attributes:
        model: function without arguments that returns the model, as file.py:function.
        batches: function without arguments that returns the batches, likewise.
        metric: accuracy or loss, for batches of inputs and targets, or a function (model, batch) that returns the
            values of the items, as file.py:function.
        calibration: function without arguments that returns batches of inputs, for layers without activation ranges.
            By default these are the inputs that the metric gives the model.
        seed: seed of the first chip; the next have the next seeds.
    """

    model: str | None = None
    batches: str | None = None
    metric: str = "accuracy"
    calibration: str | None = None
    seed: int = 0


class Result(Protocol):
    """What was found."""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""

    def plot(self) -> Figure:
        """A chart."""


def check_model_study(given: dict[str, Any], hardware: str, json: Path | None, chart: Path | None) -> None:
    """What is cheap to check is checked before torch is imported.

    Raises:
        MemrixError: an argument is missing, or names what is not there; or a file cannot be written.
    """
    check_functions(given)
    check_hardware(hardware)
    check_results(json, chart)


def made_arguments(given: Mapping[str, Any]) -> tuple[Any, Any, str, dict[str, Any]]:
    """The model, the batches, the metric as it was named, and all other arguments of a study.

    Raises:
        MemrixError: a function fails, or is not there.
    """
    options = dict(given)
    model, batches = (made(f"--{name}", options.pop(name)) for name in ("model", "batches"))
    if "calibration" in options:
        options["calibration"] = made("--calibration", options["calibration"])
    return model, batches, options.pop("metric", ModelStudySettings.metric), options


def write_results(result: Result, about: Mapping[str, Any], *, json: Path | None, chart: Path | None) -> None:
    """Write the figures of a study as JSON, with what they are about, and its chart."""
    if json is not None:
        write_figures(result, about, json)
        message(f"figures: {json}")
    if chart is not None:
        from memrix._support.charts import save_chart

        save_chart(result.plot(), chart)
        message(f"chart: {chart}")


def write_figures(result: Result, about: Mapping[str, Any], path: Path) -> None:
    """Write the figures of a study as JSON, with what they are about and the command that has made them."""
    content = {**result.to_dict(), **about, "command": command(), "memrix": installed_version("memrix")}
    write_whole(path, f"{dumps(content, indent=2)}\n".encode())
