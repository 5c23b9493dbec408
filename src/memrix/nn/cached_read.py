"""A layer on a chip, prepared for reading: what its calls share as long as it does not change."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from memrix.crossbar import Crossbar


class CachedRead(NamedTuple):
    """What a call of a layer reads its crossbar with.

    Attributes:
        crossbar: of the layer.
        codes_per_unit: DAC codes of an input of 1.
        scale: output of a result of 1 of the crossbar, ``[1]`` or ``[groups * outputs]``.
        offset: added to it, likewise: of calibrated columns, and the bias of a layer whose outputs are last.
        bias: of any other layer, that broadcasts over its output.
        weight: that the cells must have been written from; None where it was looked at before.
        written: what the weight was told by when it was written.
    """

    crossbar: Crossbar
    codes_per_unit: Tensor
    scale: Tensor
    offset: Tensor | None
    bias: Tensor | None
    weight: Tensor | None
    written: Tensor | None
