"""A copy of a model that is calibrated for every chip of a study, and its figures without a chip."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from memrix._support.random import Seeds
from memrix._support.tables import listed
from memrix._support.wording import listing
from memrix.errors import CalibrationError, SettingsError
from memrix.hardware import Hardware
from memrix.model.calibration import calibrate
from memrix.model.checking import check
from memrix.model.contents import Contents
from memrix.model.copying import copy_model
from memrix.model.patterns import HardwareChoice
from memrix.model.readiness import has_calibration_samples, has_range
from memrix.model.selection import select
from memrix.studies.metric import Measured, Metric
from memrix.studies.trials import random_numbers_of

_HOW = "calibrate the model first, with memrix.calibrate, or give batches of inputs: calibration=..."
_PLAIN = (Tensor, bool, int, float, str, type(None))
_MOST_TOLD = 5


def require_programmable(model: nn.Module, chips: Mapping[str, HardwareChoice]) -> None:
    """Make sure that a model can be programmed onto every chip of a study.

    Args:
        model: of the study.
        chips: by what they are called in messages.

    Raises:
        SettingsError: lists what is wrong with which chip.
    """
    problems: dict[str, list[str]] = {}
    for name, chip in chips.items():
        for problem in check(model, chip).problems:
            problems.setdefault(problem, []).append(name)
    if problems:
        told = [f"{listed(names, _MOST_TOLD)}: {problem}" for problem, names in problems.items()]
        raise SettingsError(f"these trials cannot run:{listing(told)}")


class Preparation:
    """A copy of a model, which is calibrated where it has no ranges yet.

    Args:
        model: of the study, which is not changed.
        metric: to be measured.
        batches: for the metric.
        calibration: batches of inputs; None: those that the metric gives the model.
    """

    def __init__(
        self, model: nn.Module, metric: Metric, batches: Sequence[Any], calibration: Sequence[Any] | None
    ) -> None:
        self.model, _ = copy_model(model, Contents.of(model))
        self._metric, self._batches, self._calibration = metric, batches, calibration
        self._measured: Measured | None = None

    def digital(self) -> Measured:
        """The figures of the model without a chip.

        Raises:
            MetricError: the metric fails; it would on every chip.
        """
        if self._measured is None:
            self._measured, inputs = self._measure()
            if self._calibration is None:
                self._calibration = inputs
        return self._measured

    @property
    def inputs(self) -> Sequence[Any]:
        """Inputs of the model: those to calibrate it on.

        Raises:
            MetricError: the metric fails.
        """
        if self._calibration is None:
            self.digital()
        return self._calibration or []

    def calibrate(self, chips: Sequence[HardwareChoice]) -> None:
        """Find ranges and samples for all of these chips, where they are missing; existing ranges are kept.

        Raises:
            CalibrationError: the inputs of the metric cannot be used for that; the message says what can.
        """
        chip = max(chips, key=_tuned)
        if all(has_range(layer) and has_calibration_samples(layer) for layer in select(self.model, chip, None)):
            return
        calibrate(self.model, self.inputs, chip, keep_ranges=True)

    def _measure(self) -> tuple[Measured, Sequence[Any]]:
        """The figures of the model, and the inputs that the metric gives it."""
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        hook = self.model.register_forward_pre_hook(
            lambda module, inputs, named: calls.append((inputs, named)), with_kwargs=True
        )
        try:
            with random_numbers_of(Seeds()):
                measured = self._metric.measure(self.model, self._batches)
        finally:
            hook.remove()
        return measured, _Inputs(self.model, calls)


class _Inputs(Sequence[Any]):
    """Calls of a model as batches, which are looked at when they are needed."""

    def __init__(self, model: nn.Module, calls: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
        self._model, self._calls = model, calls

    def __len__(self) -> int:
        if not self._calls:
            raise CalibrationError(
                f"the metric does not call the model itself, which has no activation ranges; {_HOW}"
            )
        return len(self._calls)

    def __getitem__(self, number: Any) -> Any:  # noqa: ANN401
        positional, named = self._calls[number]
        odd = [value for value in (*positional, *named.values()) if not _is_plain(value)]
        if odd:
            raise CalibrationError(
                f"the metric calls the model with a {type(odd[0]).__name__}, which a calibration cannot "
                f"repeat; {_HOW}"
            )
        if not named:
            return positional
        bound = inspect.signature(self._model.forward).bind(*positional, **named)
        return {**bound.arguments, **bound.arguments.pop("kwargs", {})} if positional else named


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return isinstance(value, _PLAIN)


def descriptions(hardware: HardwareChoice) -> dict[str, Hardware]:
    """Every hardware that a layer may have, by the patterns that lead to it."""
    chips = {"": hardware} if isinstance(hardware, Hardware) else hardware
    found = {pattern: chip for pattern, chip in chips.items() if chip is not None}
    inside = {f"{outer}/{own}": chip.of_layers(own) for outer, chip in found.items() for own in chip.layers}
    return {**found, **{pattern: chip for pattern, chip in inside.items() if chip is not None}}


def _tuned(hardware: HardwareChoice) -> int:
    """How many descriptions of a choice need calibration samples."""
    return sum(chip.needs_calibration_samples for chip in descriptions(hardware).values())
