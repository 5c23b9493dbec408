"""``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` that call a linear layer for each of their matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from memrix._support.torch_internals import allow_recurrent_graphs
from memrix.errors import InputError
from memrix.nn.cached_read import repeated
from memrix.nn.composite import DecomposedLayer, Projection, Rows, Submodules
from memrix.nn.inputs import require_dense
from memrix.nn.recurrence import STEPS, State


def recurrent_submodules(module: nn.Module) -> Submodules:
    """``ih_l0`` from inputs, ``hh_l0`` from the hidden state, ``hr_l0`` to it where it is projected, and so on."""
    layer = cast(nn.RNNBase, module)
    names = (name.removeprefix("weight_") for names in layer._all_weights for name in names if "weight" in name)
    return {
        name: Projection(
            layer, Rows(f"weight_{name}"), Rows(f"bias_{name}") if layer.bias and not name.startswith("hr") else None
        )
        for name in names
    }


class DecomposedRecurrent(DecomposedLayer):
    """A recurrent layer that calls ``ih_l0`` for all steps at once and ``hh_l0`` step by step, and so on.

    Inside, sequences are steps one after the other, ``[steps * batch, features]``, as in a ``PackedSequence``: what
    is padding is never computed.
    """

    mode: str
    input_size: int
    hidden_size: int
    proj_size: int
    num_layers: int
    batch_first: bool
    bidirectional: bool
    dropout: float

    def __init_subclass__(cls, **others: Any) -> None:
        super().__init_subclass__(**others)
        if issubclass(cls, nn.RNNBase):
            # torch.compile refuses whatever is an nn.LSTM without a look at its forward, which here is plain steps.
            allow_recurrent_graphs()

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """What the torch layer gives for the same arguments.

        Args:
            input: ``[length, batch, input_size]``, ``[batch, length, input_size]`` if ``batch_first``,
                ``[length, input_size]``, or a packed sequence.
            hx: initial hidden state ``[layers * directions, batch, proj_size or hidden_size]``, without the batch
                axis where the input has none, and for an LSTM a pair of it and the cell state; zeros by default.

        Returns:
            The hidden states of the last layer, shaped as the input was, and the final states, shaped as ``hx``.

        Raises:
            InputError: shapes that do not fit, or a sequence without steps.
        """
        if isinstance(input, PackedSequence):
            sizes = cast(list[int], input.batch_sizes.tolist())
            states = self._initial(hx, sizes[0], input.data, batched=True)
            if input.sorted_indices is not None:
                states = tuple(state.index_select(1, input.sorted_indices) for state in states)
            outputs, states = self._layers(self._require_width(input.data), sizes, states)
            if input.unsorted_indices is not None:
                states = tuple(state.index_select(1, input.unsorted_indices) for state in states)
            packed = PackedSequence(outputs, input.batch_sizes, input.sorted_indices, input.unsorted_indices)
            return packed, self._as_given(states)
        require_dense(self.mode, input)
        if input.dim() not in (2, 3):
            raise InputError(
                f"this {self.mode} takes [length, batch, {self.input_size}] (batch first if batch_first), "
                f"[length, {self.input_size}] or a PackedSequence, got {list(input.shape)}"
            )
        batched = input.dim() == 3
        by_time = self._require_width(input) if batched else self._require_width(input).unsqueeze(1)
        if batched and self.batch_first:
            by_time = by_time.transpose(0, 1)
        length, batch = by_time.shape[:2]
        if not length:
            raise InputError(f"the input {list(input.shape)} has no steps; give sequences of at least one")
        states = self._initial(hx, batch, input, batched)
        outputs, states = self._layers(by_time.flatten(0, 1), [batch] * length, states)
        outputs = outputs.view(length, batch, outputs.shape[-1])
        if not batched:
            return outputs.squeeze(1), self._as_given(tuple(state.squeeze(1) for state in states))
        return outputs.transpose(0, 1) if self.batch_first else outputs, self._as_given(states)

    def _layers(self, sequence: Tensor, sizes: list[int], initial: State) -> tuple[Tensor, State]:
        """Outputs ``[steps * batch, directions * width]`` and final states, shaped as the initial ones."""
        finals: list[State] = []
        suffixes = ("", "_reverse") if self.bidirectional else ("",)
        for layer in range(self.num_layers):
            outputs = []
            for suffix in suffixes:
                state = tuple(each[len(finals)] for each in initial)
                output, final = self._direction(f"l{layer}{suffix}", sequence, sizes, state)
                outputs.append(output)
                finals.append(final)
            sequence = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
            if self.training and self.dropout and layer < self.num_layers - 1:
                sequence = functional.dropout(sequence, self.dropout)
        return sequence, tuple(torch.stack(each) for each in zip(*finals, strict=True))

    def _direction(self, name: str, sequence: Tensor, sizes: list[int], initial: State) -> tuple[Tensor, State]:
        """Hidden states ``[steps * batch, width]`` of one layer and direction, and its last state."""
        driven = _at_once(self.get_submodule(f"ih_{name}"), sequence, sizes)
        # In autocast mode matrices give another type than that of the states.
        initial, step = tuple(state.to(driven.dtype) for state in initial), STEPS[self.mode]
        recurrent = repeated(self.get_submodule(f"hh_{name}"))
        projection = repeated(self.get_submodule(f"hr_{name}")) if self.proj_size else None

        def advance(inputs: Tensor, state: State) -> State:
            state = step(inputs, recurrent(state[0]), state)
            return state if projection is None else (projection(state[0]), *state[1:])

        backwards = name.endswith("_reverse")
        hidden, final = (_backward if backwards else _forward)(advance, driven.split_with_sizes(sizes), initial)
        return torch.cat(hidden), final

    def _initial(self, hx: Any, batch: int, like: Tensor, batched: bool) -> State:
        """The states to start from: ``[layers * directions, batch, width]`` each."""
        count = self.num_layers * (2 if self.bidirectional else 1)
        widths = [self.proj_size or self.hidden_size] + [self.hidden_size] * (self.mode == "LSTM")
        if hx is None:
            return tuple(like.new_zeros(count, batch, width) for width in widths)
        given = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        expected = [[count, batch, width] if batched else [count, width] for width in widths]
        shapes = [list(state.shape) for state in given]
        if shapes != expected or isinstance(hx, Tensor) == (self.mode == "LSTM"):
            raise InputError(
                f"the initial state of this {self.mode} must be "
                f"{'a pair of tensors of ' if len(widths) > 1 else 'a tensor of '}"
                f"{' and '.join(map(str, expected))}, got {' and '.join(map(str, shapes)) or 'none'}"
            )
        return given if batched else tuple(state.unsqueeze(1) for state in given)

    def _require_width(self, sequence: Tensor) -> Tensor:
        if sequence.shape[-1] == self.input_size:
            return sequence
        raise InputError(
            f"this {self.mode} takes {self.input_size} features in each step, got an input of {list(sequence.shape)}"
        )

    def _as_given(self, states: State) -> Tensor | State:
        return states if self.mode == "LSTM" else states[0]


def _at_once(submodule: nn.Module, sequence: Tensor, sizes: list[int]) -> Tensor:
    """A linear layer over all steps: ``[steps * batch, features]`` in and out.

    Its input is ``[batch, steps, features]``, as of a layer of another kind: noise that is shared over the first
    axis is shared over the batch and not over time. Sequences that differ in length are one of all their steps.
    """
    if sizes[0] != sizes[-1]:
        return cast(Tensor, submodule(sequence.unsqueeze(0))).squeeze(0)
    by_batch = sequence.view(len(sizes), sizes[0], sequence.shape[1]).transpose(0, 1)
    return cast(Tensor, submodule(by_batch)).transpose(0, 1).flatten(0, 1)


Advance = Callable[[Tensor, State], State]


def _forward(advance: Advance, driven: tuple[Tensor, ...], state: State) -> tuple[list[Tensor], State]:
    """Hidden states of all steps and the last state of each sequence; the longest sequences come first."""
    hidden: list[Tensor] = []
    ended: list[State] = []
    for inputs in driven:
        running = inputs.shape[0]
        if running < state[0].shape[0]:
            ended.append(tuple(each[running:] for each in state))
            state = tuple(each[:running] for each in state)
        state = advance(inputs, state)
        hidden.append(state[0])
    if not ended:
        return hidden, state
    return hidden, tuple(torch.cat(each) for each in zip(state, *reversed(ended), strict=True))


def _backward(advance: Advance, driven: tuple[Tensor, ...], initial: State) -> tuple[list[Tensor], State]:
    """The same from the last step to the first: shorter sequences join in at their own last step."""
    hidden: list[Tensor] = []
    state = tuple(each[: len(driven[-1])] for each in initial)
    for inputs in reversed(driven):
        joined, running = state[0].shape[0], inputs.shape[0]
        if joined < running:
            state = tuple(torch.cat((s, i[joined:running])) for s, i in zip(state, initial, strict=True))
        state = advance(inputs, state)
        hidden.append(state[0])
    return hidden[::-1], state
