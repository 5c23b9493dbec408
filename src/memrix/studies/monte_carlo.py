"""Monte Carlo over chips: a metric on chips by their seeds, until its mean is known as closely as asked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from memrix._support.random import Seeds
from memrix.errors import MetricError
from memrix.model.patterns import HardwareChoice
from memrix.studies.arguments import require_arguments, require_widths
from memrix.studies.estimates import t_interval
from memrix.studies.metric import MetricChoice
from memrix.studies.monte_carlo_result import MonteCarloResult
from memrix.studies.rows import TrialRow, require_column, write_table
from memrix.studies.running import Execution
from memrix.studies.study import Report, Study
from memrix.studies.trials import Outcome, Trial

FEWEST = 5  # chips, before an interval is trusted to be narrow


def monte_carlo(
    model: nn.Module,
    hardware: HardwareChoice,
    batches: Iterable[Any],
    metric: MetricChoice,
    *,
    chips: int = 20,
    half_width: float | None = None,
    relative: float | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    jobs: int = 1,
    dask: Any = None,  # noqa: ANN401 - an address, or a client of dask.distributed
    threads: int = 1,
    confidence: float = 0.95,
    calibration: Iterable[Any] | None = None,
    progress: Report | None = None,
) -> MonteCarloResult:
    """Measure a metric on several chips of one hardware: mean, deviation, quantiles, and intervals of the mean.

    The interval over chips is Student's t interval, that over chips and data a bootstrap over chips and items
    (``memrix.studies.estimates``). With ``half_width`` or ``relative``, the study ends with the first number of
    chips, of at least 5, whose interval over chips is that narrow; such an interval covers slightly less than its
    confidence.

    Args:
        model: float, or quantized and calibrated; it is not changed.
        hardware: the chip or chips, as for ``program``.
        batches: as the metric takes them.
        metric: as for ``memrix.sweep``.
        chips: how many, at most.
        half_width: of the interval over chips, in units of the metric.
        relative: the same as a share of the mean.
        seed: of the first chip; the next have the next seeds.
        folder: where finished trials are kept; that of a sweep of the same model, batches and metric can be used.
        jobs: processes on this machine.
        dask: address of the scheduler of a Dask cluster, or a ``distributed.Client``.
        threads: of torch for each trial; with another number, figures may differ in the last digits.
        confidence: of intervals, as a share.
        calibration: batches of inputs for layers without ranges; None: the inputs that the metric gives the model.
        progress: called with the number of finished trials, that of all, and what became of the last one.

    Raises:
        SettingsError: an argument is not valid, the model cannot be programmed, or the cluster is not there.
        MetricError: the metric fails on the model without a chip, or on all chips.
        DataError: the folder holds trials of another model, metric or of other batches.
    """
    require_arguments(chips=chips, seed=seed, confidence=confidence, fewest=2)
    require_widths(half_width, relative)
    execution = Execution(jobs, dask, threads)
    study = Study(model, batches, metric, calibration, folder, execution, progress)
    return _measured(study, hardware, chips, seed, _Stop(half_width, relative, confidence))


def _measured(study: Study, hardware: HardwareChoice, chips: int, seed: int, stop: _Stop) -> MonteCarloResult:
    require_column(study.metric.name, ())
    study.require_programmable({"this hardware": hardware})
    digital = study.digital()
    trials = [Trial({}, hardware, number, Seeds.of(seed + number)) for number in range(chips)]
    rows = [
        TrialRow.of(trials[number], outcome) for number, outcome in stop.until(study.outcomes(trials, stop.enough))
    ]
    if all(row.measured is None for row in rows):
        raise MetricError(f"all {len(rows)} chips have failed; the first: {rows[0].failure}")
    result = MonteCarloResult(
        study.metric.name, study.metric.higher_is_better, tuple(rows), digital, stop.confidence, stop.reached
    )
    if study.folder is not None:
        write_table(study.folder.path, result.to_dict())
    return result


@dataclass
class _Stop:
    """When to stop.

    Attributes:
        half_width: of the interval; None: any.
        relative: the same as a share of the mean.
        confidence: of the interval.
        reached: whether it is as narrow as asked; None: nothing was asked.
    """

    half_width: float | None
    relative: float | None
    confidence: float
    reached: bool | None = None

    def enough(self) -> bool:
        """Whether no further chip is needed."""
        return self.reached is True

    def until(self, outcomes: Iterable[tuple[int, Outcome]]) -> list[tuple[int, Outcome]]:
        """The outcomes of the first chips, in order, as many as are needed."""
        asked = self.half_width is not None or self.relative is not None
        self.reached = False if asked else None
        found: dict[int, Outcome] = {}
        complete = 0  # chips without a gap before them: which finish first must not decide when to stop
        for number, outcome in outcomes:
            found[number] = outcome
            while asked and not self.reached and complete in found:
                complete += 1
                self.reached = self._narrow([found[each] for each in range(complete)])
        return sorted(found.items())[: complete if self.reached else None]

    def _narrow(self, outcomes: list[Outcome]) -> bool:
        figures = [outcome.figure for outcome in outcomes if outcome.figure is not None]
        interval = t_interval(figures, self.confidence)
        if len(figures) < FEWEST or interval is None:
            return False
        half = (interval[1] - interval[0]) / 2
        share = math.inf if self.relative is None else self.relative * abs(interval[0] + interval[1]) / 2
        return half <= min(share, math.inf if self.half_width is None else self.half_width)
