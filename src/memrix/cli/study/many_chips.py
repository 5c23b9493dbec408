"""What commands share that measure a model on many chips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

from memrix._support.lazy import installed_version
from memrix.cli.arguments import check_hardware
from memrix.cli.messages import message
from memrix.cli.outputs import check_folder, check_results
from memrix.cli.study.functions import NAMED_METRICS, check_functions, function_of, made
from memrix.cli.study.layers import Result


@dataclass(frozen=True)
class StudySettings:
    """A model, data and a metric, and where trials run.

    Attributes:
        model: function without arguments that returns the model, as file.py:function.
        batches: function without arguments that returns the batches, likewise.
        metric: accuracy or loss, for batches of inputs and targets, or a function (model, batch) that returns the
            values of the items, as file.py:function.
        calibration: function without arguments that returns batches of inputs, for layers without activation ranges.
            By default these are the inputs that the metric gives the model.
        seed: seed of the first chip; the next have the next seeds.
        folder: folder of finished trials: the same command runs those that are missing. Its table is results.csv, and
            results.parquet.
        jobs: number of processes.
        dask: address of the scheduler of a Dask cluster that runs the trials, such as tcp://10.0.0.1:8786.
        threads: number of CPU threads of each trial.
        confidence: confidence of intervals.
    """

    model: str | None = None
    batches: str | None = None
    metric: str = "accuracy"
    calibration: str | None = None
    seed: int = 0
    folder: str = "results"
    jobs: int = 1
    dask: str | None = None
    threads: int = 1
    confidence: float = 0.95


def check_study(given: dict[str, Any], hardware: str, json: Path | None, chart: Path | None) -> None:
    """What is cheap to check is checked before torch is imported.

    Raises:
        MemrixError: an argument is missing, or names what is not there; or a file cannot be written.
    """
    check_functions(given)
    check_hardware(hardware)
    check_results(json, chart)
    check_folder(Path(given.get("folder", StudySettings.folder)))


def run_study(
    given: dict[str, Any],
    hardware: str,
    study: Callable[..., Result],
    *arguments: Any,  # noqa: ANN401
    json: Path | None,
    chart: Path | None,
) -> None:
    """Run a study with progress on stderr and its table on stdout; write what was asked for.

    Args:
        given: fields of the settings.
        hardware: a preset or a file.
        study: ``memrix.sweep`` or ``memrix.monte_carlo``.
        *arguments: of the study, after the metric.
        json: file to write; None: none.
        chart: likewise.

    Raises:
        MemrixError: input that cannot be used.
    """
    from memrix.hardware import Hardware

    options = dict(given)
    model, batches = (made(f"--{name}", options.pop(name)) for name in ("model", "batches"))
    metric = options.pop("metric", StudySettings.metric)
    metric = metric if metric in NAMED_METRICS else function_of("--metric", metric)
    if "calibration" in options:
        options["calibration"] = made("--calibration", options["calibration"])
    options.setdefault("folder", StudySettings.folder)
    chip = Hardware.named(hardware)
    with _shown_progress() as progress:
        result = study(model, chip, batches, metric, *arguments, **options, progress=progress)
    print(result)
    message(f"trials: {options['folder']}")
    if json is not None:
        about = {"arguments": given, "hardware": chip.to_dict(), "memrix": installed_version("memrix")}
        json.write_text(dumps({**result.to_dict(), **about}, indent=2) + "\n", encoding="utf-8")
        message(f"figures: {json}")
    if chart is not None:
        from memrix.studies.device_charts.style import save

        save(result.plot(), chart)
        message(f"chart: {chart}")


@contextmanager
def _shown_progress() -> Iterator[Callable[[int, int, str], None]]:
    """A line for each trial, and a bar with the time that is left."""
    from memrix.cli.display import TerminalReporter

    reporter = TerminalReporter()
    with reporter.stage("trials", 1) as done:

        def report(number: int, total: int, text: str) -> None:
            reporter.note(f"{number}/{total}  {text}")
            done(number / total)

        yield report
