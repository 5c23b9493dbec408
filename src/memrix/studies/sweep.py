"""A sweep: a metric over settings of the hardware, on several chips each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from memrix._support.random import Seeds
from memrix.model.patterns import HardwareChoice
from memrix.studies.arguments import require_arguments
from memrix.studies.grid import Settings, chips_of, described
from memrix.studies.metric import MetricChoice
from memrix.studies.rows import TrialRow, require_column, write_table
from memrix.studies.running import Execution
from memrix.studies.study import Report, Study
from memrix.studies.sweep_result import SweepResult
from memrix.studies.trials import Trial


def sweep(
    model: nn.Module,
    hardware: HardwareChoice,
    batches: Iterable[Any],
    metric: MetricChoice,
    settings: Settings,
    *,
    chips: int = 1,
    seed: int = 0,
    folder: str | Path | None = None,
    jobs: int = 1,
    dask: Any = None,  # noqa: ANN401 - an address, or a client of dask.distributed
    threads: int = 1,
    confidence: float = 0.95,
    calibration: Iterable[Any] | None = None,
    progress: Report | None = None,
) -> SweepResult:
    """Measure a metric over settings of the hardware, on several chips each, which have the same seeds everywhere.

    A trial that fails is recorded with its error, and the others go on. The model is not changed.

    Args:
        model: float, or quantized and calibrated.
        hardware: the chip or chips, as for ``program``.
        batches: as the metric takes them; pairs of inputs and targets for metrics with names.
        metric: ``function(model, batch)`` -> values of the items, a ``Metric``, ``"loss"`` or ``"accuracy"``.
        settings: ``{"weight_bits": [2, 3], "adc.range_bits": [4, 6]}``, of which all combinations are measured, or a
            list of combinations: ``[{"weight_bits": 2}, {"weight_bits": 3, "adc.range_bits": 6}]``.
        chips: of each combination.
        seed: of the first chip; the next have the next seeds.
        folder: where finished trials are kept, by the SHA-256 of their inputs; the same call runs the rest.
        jobs: processes on this machine.
        dask: address of the scheduler of a Dask cluster, or a ``distributed.Client``.
        threads: of torch for each trial; with another number, figures may differ in the last digits.
        confidence: of intervals, as a share.
        calibration: batches of inputs for layers without ranges; None: the inputs that the metric gives the model.
        progress: called with the number of finished trials, that of all, and what became of the last one.

    Raises:
        SettingsError: before any trial runs: lists every setting that is not valid; the cluster is not there.
        MetricError: the metric fails on the model without a chip.
        DataError: the folder holds trials of another model, metric or of other batches.
    """
    require_arguments(chips=chips, seed=seed, confidence=confidence)
    combinations = chips_of(settings, hardware)
    execution = Execution(jobs, dask, threads)
    study = Study(model, batches, metric, calibration, folder, execution, progress)
    return _swept(study, combinations, chips, seed, confidence)


def _swept(
    study: Study, combinations: list[tuple[dict[str, Any], HardwareChoice]], chips: int, seed: int, confidence: float
) -> SweepResult:
    require_column(study.metric.name, list(combinations[0][0]))
    study.require_programmable({described(each): chip for each, chip in combinations})
    trials = [
        Trial(each, chip, number, Seeds.of(seed + number)) for each, chip in combinations for number in range(chips)
    ]
    digital = study.digital()
    outcomes = dict(study.outcomes(trials))
    rows = tuple(TrialRow.of(trial, outcomes[number]) for number, trial in enumerate(trials))
    result = SweepResult(study.metric.name, study.metric.higher_is_better, rows, digital, confidence)
    if study.folder is not None:
        write_table(study.folder.path, result.to_dict())
    return result
