"""One trial of a study: a model programmed onto one chip, and its metric."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from memrix._support.random import Seeds
from memrix.model.conversion import program
from memrix.model.patterns import HardwareChoice
from memrix.studies.metric import Measured, Metric


@dataclass(frozen=True)
class Trial:
    """What is to be measured.

    Attributes:
        settings: that make this trial another than others, by dotted names, for tables.
        hardware: of the chip; None: the model itself is measured, without a chip.
        chip: number of the chip.
        seeds: of the chip.
    """

    settings: Mapping[str, Any]
    hardware: HardwareChoice | None
    chip: int = 0
    seeds: Seeds = field(default_factory=Seeds)

    def __str__(self) -> str:
        if self.hardware is None:
            return "digital"
        return ", ".join([*(f"{name}={_shown(value)}" for name, value in self.settings.items()), f"chip {self.chip}"])


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a trial.

    Attributes:
        measured: the figures; None: it has failed.
        error: why it has failed.
        seconds: that it took.
        kept: whether it was read from the folder of an earlier call.
    """

    measured: Measured | None
    error: str = ""
    seconds: float = 0.0
    kept: bool = False

    @property
    def figure(self) -> float | None:
        """The metric; None: the trial has failed."""
        return None if self.measured is None else self.measured.mean


@dataclass(frozen=True, eq=False)
class Subject:
    """What all trials of a study have in common.

    Attributes:
        model: calibrated for the hardware of every trial.
        batches: for the metric.
        metric: to be measured.
    """

    model: nn.Module
    batches: Sequence[Any]
    metric: Metric

    def run(self, trial: Trial) -> Outcome:
        """Program the model onto the chip of a trial and measure it; an error is part of the outcome."""
        start = time.perf_counter()
        try:
            measured = self.measure(trial)
        except Exception as error:
            return Outcome(None, f"{type(error).__name__}: {error}", time.perf_counter() - start)
        return Outcome(measured, seconds=time.perf_counter() - start)

    def measure(self, trial: Trial) -> Measured:
        """The figures of a trial.

        Raises:
            MetricError: the metric fails.
            MemrixError: the chip cannot be programmed.
        """
        with random_numbers_of(trial.seeds):
            chip = self.model
            if trial.hardware is not None:
                chip = program(self.model, trial.hardware, seed=trial.seeds)
            return self.metric.measure(chip, self.batches)


@contextmanager
def random_numbers_of(seeds: Seeds) -> Iterator[None]:
    """Let torch's own generator, which a metric may draw from, begin anew with every trial."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices):
        torch.manual_seed(seeds.read)
        yield


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
