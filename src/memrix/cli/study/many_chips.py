"""What commands share that measure a model on many chips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memrix.cli.messages import message
from memrix.cli.outputs import check_folder
from memrix.cli.study.functions import NAMED_METRICS, function_of
from memrix.cli.study.model_study import (
    ModelStudySettings,
    Result,
    check_model_study,
    made_arguments,
    write_figures,
    write_results,
)


@dataclass(frozen=True)
class StudySettings(ModelStudySettings):
    """A model, data and a metric, and where trials run.

    Attributes:
        folder: folder of finished trials: the same command runs those that are missing. Its table is results.json,
            results.csv and results.parquet.
        jobs: number of processes.
        dask: address of the scheduler of a Dask cluster that runs the trials, such as tcp://10.0.0.1:8786.
        threads: number of CPU threads of each trial.
        confidence: confidence of intervals.
    """

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
    check_model_study(given, hardware, json, chart)
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
    from memrix.studies.rows import RESULTS

    model, batches, name, options = made_arguments(given)
    metric = name if name in NAMED_METRICS else function_of("--metric", name)
    options.setdefault("folder", StudySettings.folder)
    chip = Hardware.named(hardware)
    with _shown_progress() as progress:
        result = study(model, chip, batches, metric, *arguments, **options, progress=progress)
    print(result)
    message(f"trials: {options['folder']}")
    about = {"arguments": given, "hardware": chip.to_dict()}
    write_figures(result, about, Path(options["folder"]) / RESULTS)
    write_results(result, about, json=json, chart=chart)


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
