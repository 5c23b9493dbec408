"""Calls of a layer on a chip in a row, as a recurrent layer makes them at every step."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from memrix.crossbar import DAC, Reader


class Series(NamedTuple):
    """What calls of a layer share as long as the layer does not change.

    Attributes:
        dac: converter of its inputs.
        codes_per_unit: codes of an input of 1.
        scale: output of a result of 1 of the reader, ``[groups or 1, 1, 1, outputs or 1]``.
        offset: to be added to it, float32, that broadcasts over ``[groups, 1, 1, outputs]``: of calibrated columns,
            and the bias of a layer whose outputs are last.
        bias: of any other layer, that broadcasts over its output.
        reader: of the crossbar.
    """

    dac: DAC
    codes_per_unit: Tensor
    scale: Tensor
    offset: Tensor | None
    bias: Tensor | None
    reader: Reader
