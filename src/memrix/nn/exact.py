"""Modules whose numbers are physical."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class ExactModule(nn.Module):
    """A module whose floating-point tensors keep their precision, independent of the precision of the network."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        own = (*self._buffers.items(), *self._parameters.items())
        kept = {name: value.detach() for name, value in own if value is not None and value.is_floating_point()}
        module = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in kept.items():
            present = getattr(module, name)
            present.data = value.to(present.device)
        return module
