"""``nn.LSTMCell``, ``nn.GRUCell`` and ``nn.RNNCell`` that call a linear layer for each of their two matrices."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from memrix.errors import InputError
from memrix.nn.composite import DecomposedLayer, Projection, Rows, Submodules
from memrix.nn.inputs import require_dense
from memrix.nn.recurrence import STEPS, Step


def cell_submodules(module: nn.Module) -> Submodules:
    """``ih`` from inputs and ``hh`` from the hidden state."""
    cell = cast(nn.RNNCellBase, module)
    return {
        name: Projection(cell, Rows(f"weight_{name}"), Rows(f"bias_{name}") if cell.bias else None)
        for name in ("ih", "hh")
    }


class DecomposedCell(DecomposedLayer):
    """One step of a recurrent layer, which calls ``ih`` and ``hh``."""

    input_size: int
    hidden_size: int
    ih: nn.Module
    hh: nn.Module

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """What the torch cell gives for the same arguments.

        Args:
            input: ``[batch, input_size]`` or ``[input_size]``.
            hx: hidden state ``[batch, hidden_size]`` or ``[hidden_size]``, and for an LSTM a pair of it and the
                cell state; zeros by default.

        Returns:
            The next state, shaped as ``hx``.

        Raises:
            InputError: shapes that do not fit.
        """
        is_lstm = isinstance(self, nn.LSTMCell)
        require_dense(type(self).__name__.removeprefix("Decomposed"), input)
        shape = [*input.shape[:-1], self.hidden_size]
        if input.dim() not in (1, 2) or input.shape[-1] != self.input_size:
            raise InputError(
                f"this cell takes [batch, {self.input_size}] or [{self.input_size}], got {list(input.shape)}"
            )
        if hx is None:
            zeros = input.new_zeros(shape)
            state = (zeros, zeros) if is_lstm else (zeros,)
        else:
            state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
            if [list(each.shape) for each in state] != [shape] * (1 + is_lstm) or isinstance(hx, Tensor) == is_lstm:
                raise InputError(
                    f"the state of this cell must be {'a pair of tensors' if is_lstm else 'a tensor'} of {shape}, "
                    f"got {' and '.join(str(list(each.shape)) for each in state) or 'none'}"
                )
        after = self._step(self.ih(input), self.hh(state[0]), state)
        return after if is_lstm else after[0]

    @property
    def _step(self) -> Step:
        if isinstance(self, nn.RNNCell):
            return STEPS[f"RNN_{self.nonlinearity.upper()}"]
        return STEPS["LSTM" if isinstance(self, nn.LSTMCell) else "GRU"]
