"""What a study measures on a model: a figure for each item of the data, and their mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from memrix._support.records import closest
from memrix._support.validation import is_number, shown
from memrix.errors import MemrixError, MetricError, SettingsError
from memrix.model.modes import evaluating

Returned: TypeAlias = Tensor | float | tuple[Tensor, Tensor]
Function: TypeAlias = Callable[[nn.Module, Any], Returned]
_WRAPPED = "memrix.Metric(function, higher_is_better=True)"


@dataclass(frozen=True, eq=False)
class Measured:
    """The figures of a metric on all batches.

    Attributes:
        values: of the items, float64, ``[items]``.
        weights: of the items, float64, ``[items]``: 1, unless the metric gives others.
    """

    values: Tensor
    weights: Tensor

    @property
    def mean(self) -> float:
        """Mean of the values over the items, by their weights."""
        return float((self.values * self.weights).sum() / self.weights.sum())


@dataclass(frozen=True)
class Metric:
    """A figure that a study measures: ``function(model, batch)`` for each batch, and the mean over all items.

    The function calls the model and returns the values of the items of the batch, ``[items]``; or one number, which
    counts as one item; or a pair of values and weights, ``[items]`` each, for a weighted mean: word error rates are
    errors per word, weighted by the words of an utterance.

    Attributes:
        function: called with a model in evaluation mode, without gradients, and a batch as given to the study.
        name: for tables; that of the function by default.
        higher_is_better: whether a larger figure is a better one; None: not known, which studies that rank refuse.
        identity: says which metric this is in the files of a study. By default it is found from the code of the
            function and all that it refers to; give a text where that is not possible, and another text whenever the
            metric changes.
    """

    function: Function
    name: str = ""
    higher_is_better: bool | None = None
    identity: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise SettingsError(
                f"a metric must be a function (model, batch) -> values of the items, got {shown(self.function)}"
            )
        if self.higher_is_better not in (True, False, None):
            raise SettingsError(f"higher_is_better must be True, False or None, got {shown(self.higher_is_better)}")
        for name in ("name", "identity"):
            value = getattr(self, name)
            if not (isinstance(value, str) or (value is None and name == "identity")):
                raise SettingsError(f"the {name} of a metric must be a text, got {shown(value)}")
        if not self.name:
            object.__setattr__(self, "name", getattr(self.function, "__name__", type(self.function).__name__))

    @classmethod
    def of(cls, metric: MetricChoice) -> Metric:
        """A metric as a study takes it: a ``Metric``, a function, ``"loss"`` or ``"accuracy"``.

        Raises:
            SettingsError: it is none of these.
        """
        if isinstance(metric, Metric):
            return metric
        if isinstance(metric, str):
            if metric not in METRICS:
                raise SettingsError(
                    f"there is no metric {metric!r}{closest(metric, METRICS)}; the metrics with names are "
                    f"{', '.join(map(repr, METRICS))}; any other is a function (model, batch) -> values of the items"
                )
            return METRICS[metric]
        return cls(metric)

    def better(self, first: float, second: float) -> bool:
        """Whether the first figure is better than the second.

        Raises:
            SettingsError: it is not known whether larger figures are better.
        """
        return self.gain(second, first) > 0

    def gain(self, before: float, after: float) -> float:
        """How much better ``after`` is than ``before``; negative if it is worse.

        Raises:
            SettingsError: it is not known whether larger figures are better.
        """
        if self.higher_is_better is None:
            raise SettingsError(
                f"it is not known whether larger figures of the metric {self.name!r} are better; say so: {_WRAPPED}"
            )
        return after - before if self.higher_is_better else before - after

    def measure(
        self, model: nn.Module, batches: Sequence[Any], *, progress: Callable[[int], None] | None = None
    ) -> Measured:
        """The figures of a model, which runs in evaluation mode, without gradients, and is left in its own modes.

        Args:
            model: any module.
            batches: as the function takes them, such as pairs of inputs and targets.
            progress: called with the number of batches done.

        Raises:
            MetricError: there is no batch; or the function fails, or returns what is no figure, or NaN.
            MemrixError: as a layer of memrix raised it, with the number of the batch.
        """
        found = []
        with evaluating(model):
            for number, batch in enumerate(batches, 1):
                found.append(self.of_batch(model, batch, number))
                if progress is not None:
                    progress(number)
        if not found:
            raise MetricError(f"there is no batch to measure {self.name!r} on; give at least one")
        measured = Measured(*(torch.cat(parts) for parts in zip(*found, strict=True)))
        if not measured.weights.sum() > 0:
            raise MetricError(f"the metric {self.name!r} gives all items the weight 0, so that they have no mean")
        return measured

    def of_batch(self, model: nn.Module, batch: Any, number: int) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """The values and the weights of the items of one batch, in the mode that the model is in.

        Args:
            model: any module.
            batch: as the function takes it.
            number: of the batch, for messages.

        Raises:
            MetricError: as ``measure``.
        """
        place = f"the metric {self.name!r} on batch {number}"
        try:
            returned = self.function(model, batch)
        except MemrixError as error:
            raise MetricError(f"{place}: {error}") from error
        except Exception as error:
            raise MetricError(f"{place} raises {type(error).__name__}: {error}") from error
        pair = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, None)
        values = _items(pair[0], place)
        weights = torch.ones_like(values) if pair[1] is None else _items(pair[1], f"the weights of {place}")
        if weights.shape != values.shape:
            raise MetricError(
                f"{place} gives {len(values)} values and {len(weights)} weights; give one for each item"
            )
        if bool((weights < 0).any()):
            raise MetricError(f"{place} gives a weight below 0: {float(weights.min())}")
        return values, weights


MetricChoice: TypeAlias = Metric | Function | str
"""A metric as studies take it: with a direction, or a function alone, or one by its name."""


def _items(returned: object, place: str) -> Tensor:
    """Values of items as float64 on the CPU."""
    if is_number(returned):
        values = torch.tensor([returned], dtype=torch.float64)
    elif isinstance(returned, Tensor) and returned.ndim <= 1 and not returned.is_complex():
        values = returned.detach().reshape(-1).to("cpu", torch.float64)
    else:
        got = f"a tensor of shape {list(returned.shape)}" if isinstance(returned, Tensor) else shown(returned)
        raise MetricError(
            f"{place} must give one number, or a tensor [items], or a pair of values and weights; it gives {got}"
        )
    wrong = values[~values.isfinite()]
    if len(wrong):
        which = "NaN" if math.isnan(float(wrong[0])) else "an infinite value"
        many = f" for {len(wrong)} of {len(values)} items" if len(values) > 1 else ""
        raise MetricError(f"{place} is {which}{many}; find out which input has no figure, and leave it out")
    return values


def _accuracy(model: nn.Module, batch: Any) -> Tensor:  # noqa: ANN401
    """1 for each item whose largest output is that of its target, else 0."""
    input, target = _pair(batch)
    output = model(input)
    if not isinstance(output, Tensor) or output.ndim != target.ndim + 1:
        raise MetricError(
            f"accuracy needs outputs [items, classes, ...] and targets [items, ...]; got {_shapes(output, target)}"
        )
    return _of_items((output.argmax(1) == target).double())


def _loss(model: nn.Module, batch: Any) -> Tensor:  # noqa: ANN401
    """Cross entropy of whole-number targets, in nats; mean squared error of others."""
    input, target = _pair(batch)
    output = model(input)
    if not isinstance(output, Tensor):
        raise MetricError(f"the loss needs a model whose output is a tensor, got {type(output).__name__}")
    if not target.is_floating_point():
        return _of_items(functional.cross_entropy(output.double(), target.long(), reduction="none"))
    if output.shape != target.shape:
        raise MetricError(f"the squared error needs targets of the shape of the outputs; {_shapes(output, target)}")
    return _of_items((output.double() - target).square())


def _of_items(values: Tensor) -> Tensor:
    """The mean of each item over what else the values are of, such as pixels."""
    return values.flatten(1).mean(1) if values.ndim > 1 else values


def _pair(batch: Any) -> tuple[Any, Tensor]:  # noqa: ANN401
    if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and isinstance(batch[1], Tensor)):
        raise MetricError(
            f"batches of the metrics 'loss' and 'accuracy' are pairs (input, target), got {type(batch).__name__}; "
            f"for others give a function (model, batch) -> values of the items"
        )
    return batch[0], batch[1]


def _shapes(output: object, target: Tensor) -> str:
    shape = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
    return f"{shape} and {list(target.shape)}"


METRICS = {
    "accuracy": Metric(_accuracy, "accuracy", higher_is_better=True),
    "loss": Metric(_loss, "loss", higher_is_better=False),
}
"""Metrics with names, for batches of inputs and targets."""
