"""Calls of a layer in training that gradient checkpointing makes a second time."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

_KEPT = 1 << 12  # calls per layer that can be recomputed; one backward pass rarely has as many


class Call:
    """One call in training.

    Attributes:
        seed: of all that the call draws: a number of torch's default generator, so that ``torch.manual_seed`` makes
            training reproducible and a recomputation, which restores the generator, draws the same.
        again: whether it recomputes an earlier call.
        used: what the call used that later calls change, by name; of a recomputation, what the earlier call did.
    """

    def __init__(self, seed: int, again: bool, used: dict[str, Any]) -> None:
        self.seed = seed
        self.again = again
        self.used = used


class Calls:
    """The recent calls of a layer, identified by the state of torch's default generator."""

    def __init__(self) -> None:
        self._recent: OrderedDict[int, dict[str, Any]] = OrderedDict()

    def begin(self) -> Call:
        """A call begins."""
        if torch.compiler.is_compiling():
            return Call(0, False, {})  # a graph recomputes by itself
        seed = int(torch.randint(1 << 62, (), device="cpu"))
        if _in_backward():
            return Call(seed, True, self._recent.get(seed, {}))
        used: dict[str, Any] = {}
        self._recent[seed] = used
        self._recent.move_to_end(seed)
        if len(self._recent) > _KEPT:
            self._recent.popitem(last=False)
        return Call(seed, False, used)

    def __deepcopy__(self, memo: dict[int, Any]) -> Calls:
        return Calls()

    def __reduce__(self) -> tuple[type[Calls], tuple[()]]:
        return Calls, ()


def _in_backward() -> bool:
    """Whether autograd is running backwards, so that a forward call now is a recomputation.

    By the function that ``torch.utils.checkpoint`` itself asks.
    """
    return bool(torch._C._current_graph_task_id() != -1)
