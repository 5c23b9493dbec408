"""Cache of the quantized weight of a layer, valid until the weight changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from memrix.crossbar.fingerprint import Fingerprint


class WeightCache:
    """The quantized weight of a layer in evaluation, until the weight is another."""

    def __init__(self) -> None:
        self._of: tuple[object, ...] | None = None
        self._quantized: Tensor | None = None

    def get(self, weight: Tensor, step: object, make: Callable[[], Tensor]) -> Tensor:
        """What ``make`` gives, of the present weight and of steps that ``step`` stands for."""
        present = (Fingerprint.of(weight), weight.device, step)
        if self._quantized is None or self._of != present:
            self._of, self._quantized = present, make()
        return self._quantized

    def clear(self) -> None:
        """Forget it: scales have changed."""
        self._of = self._quantized = None

    def __deepcopy__(self, memo: dict[int, Any]) -> WeightCache:
        return WeightCache()

    def __reduce__(self) -> tuple[type[WeightCache], tuple[()]]:
        return WeightCache, ()
