"""The trials of one study: those that a folder has already are read, the others are run, and each is kept at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from memrix.errors import MetricError
from memrix.model.batches import collected
from memrix.model.patterns import HardwareChoice
from memrix.studies.fingerprint import fingerprint
from memrix.studies.metric import Measured, Metric, MetricChoice
from memrix.studies.preparation import Preparation, descriptions, require_programmable
from memrix.studies.running import Execution, computing_with, connected
from memrix.studies.store import Folder, Identity
from memrix.studies.trials import Outcome, Subject, Trial

Report = Callable[[int, int, str], None]
"""Called with the number of finished trials, that of all, and what became of the last one."""
_DIGITAL = Trial({}, None)


class Study:
    """A model, batches and a metric; trials of it are run, or read from a folder.

    Args:
        model: float, quantized or calibrated; it is not changed.
        batches: for the metric.
        metric: a function, a ``Metric``, or the name of one.
        calibration: batches of inputs, for layers without ranges; None: the inputs that the metric gives the model.
        folder: where trials are kept; None: nowhere.
        execution: where they run.
        progress: told of every trial.

    Raises:
        SettingsError: there is no such metric; or, with a folder, something has no fingerprint.
        CalibrationError: batches are none.
        MetricError: there is no batch.
        DataError: the folder holds something else.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable[Any],
        metric: MetricChoice,
        calibration: Iterable[Any] | None = None,
        folder: str | Path | None = None,
        execution: Execution | None = None,
        progress: Report | None = None,
    ) -> None:
        self.metric, self.batches = Metric.of(metric), collected(batches)
        if not self.batches:
            raise MetricError(f"there is no batch to measure {self.metric.name!r} on; give at least one")
        inputs = None if calibration is None else collected(calibration)
        self._identity = None if folder is None else _identity(model, self.batches, self.metric, inputs)
        self.folder = None if folder is None or self._identity is None else Folder(folder, self._identity)
        self._model, self._execution = model, execution or Execution()
        self._progress = progress
        self._preparation = Preparation(model, self.metric, self.batches, inputs)
        self._hardware_keys: dict[int, tuple[HardwareChoice | None, str]] = {}

    def digital(self) -> Measured:
        """The figures of the model itself, without a chip.

        Raises:
            MetricError: the metric fails on it.
        """
        kept = self._kept(_DIGITAL)
        if kept is not None and kept.measured is not None:
            return kept.measured
        with computing_with(self._execution.threads):
            measured = self._preparation.digital()
        self._keep(_DIGITAL, Outcome(measured))
        return measured

    def outcomes(
        self, trials: Sequence[Trial], enough: Callable[[], bool] | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """The number of each trial, and what became of it, in the order in which they finish.

        Args:
            trials: to be run, or read from the folder.
            enough: asked before each trial that is begun; None: all are run.

        Raises:
            SettingsError: lists the trials that cannot run; or a library or a cluster is not there.
            CalibrationError: the model cannot be calibrated on what there is.
        """
        done = 0
        left: list[int] = []
        kept = [self._kept(trial) for trial in trials]
        for number, outcome in enumerate(kept):
            if outcome is None:
                left.append(number)
                continue
            done += 1
            self._tell(done, trials, number, outcome)
            yield number, outcome
        if not left or (enough is not None and enough()):
            return
        with connected(self._execution) as runner:
            subject = self._subject([trials[number] for number in left])
            for place, outcome in runner.outcomes(subject, [trials[number] for number in left], enough):
                number = left[place]
                self._keep(trials[number], outcome)
                done += 1
                self._tell(done, trials, number, outcome)
                yield number, outcome

    def require_programmable(self, chips: dict[str, HardwareChoice]) -> None:
        """Make sure that the model can be programmed onto every chip, by what they are called in messages.

        Raises:
            SettingsError: lists what is wrong with which chip.
        """
        require_programmable(self._model, chips)

    def _subject(self, trials: Sequence[Trial]) -> Subject:
        chips = [trial.hardware for trial in trials if trial.hardware is not None]
        with computing_with(self._execution.threads):
            self._preparation.calibrate(chips)
        return Subject(self._preparation.model, self.batches, self.metric)

    def _tell(self, done: int, trials: Sequence[Trial], number: int, outcome: Outcome) -> None:
        if self._progress is None:
            return
        figure = f"failed: {outcome.error}" if outcome.figure is None else f"{self.metric.name} {outcome.figure:.4g}"
        kept = ", from the folder" if outcome.kept else ""
        self._progress(done, len(trials), f"{trials[number]}: {figure}{kept}")

    def _kept(self, trial: Trial) -> Outcome | None:
        return None if self.folder is None else self.folder.read(self._key(trial))

    def _keep(self, trial: Trial, outcome: Outcome) -> None:
        if self.folder is not None:
            self.folder.write(self._key(trial), trial, outcome)

    def _key(self, trial: Trial) -> str:
        """The hash of all inputs of a trial."""
        if id(trial.hardware) not in self._hardware_keys:
            self._hardware_keys[id(trial.hardware)] = (trial.hardware, _hardware_key(trial.hardware))
        parts = (repr(self._identity), self._hardware_keys[id(trial.hardware)][1], repr(asdict(trial.seeds)))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _identity(model: nn.Module, batches: list[Any], metric: Metric, calibration: list[Any] | None) -> Identity:
    told = metric.identity
    return Identity(
        model=fingerprint(model, "the model"),
        batches=fingerprint(batches, "the batches"),
        calibration="" if calibration is None else fingerprint(calibration, "the calibration batches"),
        metric=fingerprint(metric.function if told is None else (told, metric.name), "the metric"),
        name=metric.name,
    )


def _hardware_key(hardware: HardwareChoice | None) -> str:
    """The hash of a chip, or of the chips of several layers: settings, and the parameters of cells that they name."""
    parameters = {} if hardware is None else {name: chip.parameters for name, chip in descriptions(hardware).items()}
    return fingerprint((hardware, parameters), "the hardware")
