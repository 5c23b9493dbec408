"""One step of the recurrent layers of torch, from what their two matrices give."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

State = tuple[Tensor, ...]  # the hidden state, and the cell's of an LSTM: [batch, hidden_size] each
Step = Callable[[Tensor, Tensor, State], State]


def lstm_step(driven: Tensor, recurrent: Tensor, state: State) -> State:
    """Next state of an LSTM from ``[batch, 4 * hidden_size]`` of the input and of the hidden state."""
    gates = driven + recurrent
    # One call for all gates takes less time than the sigmoid of what needs none.
    add, keep, _, show = gates.sigmoid().chunk(4, -1)
    width = state[1].shape[-1]
    candidate = gates[..., 2 * width : 3 * width].tanh()
    cell = torch.addcmul(keep * state[1], add, candidate)
    return show * cell.tanh(), cell


def gru_step(driven: Tensor, recurrent: Tensor, state: State) -> State:
    """Next state of a GRU from ``[batch, 3 * hidden_size]`` of the input and of the hidden state."""
    width = state[0].shape[-1]
    gates = (driven[..., : 2 * width] + recurrent[..., : 2 * width]).sigmoid()
    reset, keep = gates.chunk(2, -1)
    candidate = torch.tanh(driven[..., 2 * width :] + reset * recurrent[..., 2 * width :])
    return (candidate + keep * (state[0] - candidate),)


def tanh_step(driven: Tensor, recurrent: Tensor, state: State) -> State:
    """Next state of an RNN from ``[batch, hidden_size]`` of the input and of the hidden state."""
    return ((driven + recurrent).tanh(),)


def relu_step(driven: Tensor, recurrent: Tensor, state: State) -> State:
    """Next state of an RNN with ReLU."""
    return ((driven + recurrent).relu(),)


STEPS: dict[str, Step] = {"LSTM": lstm_step, "GRU": gru_step, "RNN_TANH": tanh_step, "RNN_RELU": relu_step}
