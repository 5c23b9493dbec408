"""Calls of a layer in training that gradient checkpointing makes a second time."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memrix._support.torch_internals import in_backward
from memrix._support.transforms import is_traced, transformed

_KEPT = 1 << 12  # calls per layer that can be recomputed; one backward pass rarely has as many


@dataclass
class Used:
    """Values that a call in training used and that later calls change; None if it did not use them.

    Attributes:
        input_range: largest magnitude of an input that was not clipped.
        output_range: likewise of an output.
        drawn: the chip that device resampling drew for it.
    """

    input_range: Tensor | float | None = None
    output_range: Tensor | float | None = None
    drawn: Any = None


def noted(peak: Tensor) -> Tensor | float:
    """A range as it is now, to be kept for thousands of calls.

    On a CPU a number: small tensors that outlast a step, between large ones that do not, are holes in the memory that
    malloc cannot fill, and make it grow without end.
    """
    if peak.device.type != "cpu" or torch.compiler.is_compiling() or is_traced() or transformed():
        return peak.clone()
    return float(peak)


def as_noted(kept: Tensor | float | None, peak: Tensor) -> Tensor:
    """What ``noted`` kept of a range, or the range where it kept nothing."""
    if kept is None:
        return peak
    return kept if isinstance(kept, Tensor) else torch.full_like(peak, kept)


@dataclass
class Call:
    """One call in training.

    Attributes:
        seed: of all that the call draws: a number of torch's default generator, so that ``torch.manual_seed`` makes
            training reproducible and a recomputation, which restores the generator, draws the same.
        again: whether it recomputes an earlier call.
        used: by the call; of a recomputation, by the earlier call.
    """

    seed: int
    again: bool
    used: Used


class Calls:
    """The recent calls of a layer, identified by the state of torch's default generator."""

    def __init__(self) -> None:
        self._recent: OrderedDict[int, Used] = OrderedDict()

    def begin(self) -> Call:
        """A call begins."""
        if torch.compiler.is_compiling():
            return Call(0, False, Used())  # a graph recomputes by itself
        seed = int(torch.randint(1 << 62, (), device="cpu"))
        if in_backward():
            return Call(seed, True, self._recent.get(seed, Used()))
        call = Call(seed, False, Used())
        self._recent[seed] = call.used
        self._recent.move_to_end(seed)
        if len(self._recent) > _KEPT:
            self._recent.popitem(last=False)
        return call

    def __deepcopy__(self, memo: dict[int, Any]) -> Calls:
        return Calls()

    def __reduce__(self) -> tuple[type[Calls], tuple[()]]:
        return Calls, ()
