"""Networks by hand: every layer from its definition, in float64, with weights and inputs rounded as on a chip.

Nothing of memrix computes here: what it gives is compared with this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Weights = Mapping[str, Tensor]  # parameters of a layer by name, float64
Operation = Callable[[Tensor, Tensor], Tensor]  # of an input and a weight
WEIGHT_BITS, DAC_BITS = 4, 8  # of every preset


def held(weight: Tensor, axes: tuple[int, ...], *, per_tensor: bool) -> Tensor:
    """A weight as integers of 4 bits hold it: one scale for the ``axes`` that a sum runs over, or one for all."""
    magnitude = weight.abs()
    step = (magnitude.max() if per_tensor else magnitude.amax(axes, keepdim=True)) / (2 ** (WEIGHT_BITS - 1) - 1)
    return torch.where(step > 0, (weight / step).round() * step, 0.0)


def converted(values: Tensor, peak: float) -> Tensor:
    """Values as codes of 8 bits stand for them, clipped at ``peak``."""
    largest = 2 ** (DAC_BITS - 1)
    return (values / (peak / largest)).round().clamp(-largest, largest) * (peak / largest) if peak else 0 * values


@dataclass
class Products:
    """Products of a network: exact as long as the ranges of their inputs are being found, rounded afterwards.

    Attributes:
        per_tensor: whether a matrix has one scale.
        rounding: whether ranges have been found.
        following: whether ranges grow with what they see all the same, as of an observer in training.
        peaks: largest magnitude of the inputs of every matrix, by its name.
    """

    per_tensor: bool = False
    rounding: bool = False
    following: bool = False
    peaks: dict[str, float] = field(default_factory=dict)

    def __call__(
        self,
        name: str,
        input: Tensor,
        weight: Tensor,
        axes: tuple[int, ...] = (1,),
        operation: Operation = functional.linear,
    ) -> Tensor:
        """A matrix at work; ``axes``: of the weight, that the sums run over."""
        if self.following or not self.rounding:
            self.peaks[name] = max(self.peaks.get(name, 0.0), float(input.abs().max()))
        if not self.rounding:
            return operation(input, weight)
        return operation(converted(input, self.peaks[name]), held(weight, axes, per_tensor=self.per_tensor))

    def rows(self, index: Tensor, weight: Tensor) -> Tensor:
        """Rows of a table, whose columns are the outputs of a matrix."""
        return (held(weight, (0,), per_tensor=self.per_tensor) if self.rounding else weight)[index]


Definition = Callable[..., Tensor]  # of products, weights and inputs


def _biased(output: Tensor, weights: Weights, axes: int = 0) -> Tensor:
    return output + weights["bias"].view(-1, *[1] * axes) if "bias" in weights else output


def linear(products: Products, w: Weights, x: Tensor) -> Tensor:
    return _biased(products("", x, w["weight"]), w)


def transposed_linear(products: Products, w: Weights, x: Tensor) -> Tensor:
    return _biased(products("", x, w["weight"], (0,), torch.matmul), w)


def embedding(products: Products, w: Weights, index: Tensor) -> Tensor:
    return products.rows(index, w["weight"])


def convolution(axes: int, **options: Any) -> Definition:
    operation = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]

    def defined(products: Products, w: Weights, x: Tensor) -> Tensor:
        summed = tuple(range(1, axes + 2))
        output = products("", x, w["weight"], summed, lambda x, weight: operation(x, weight, None, **options))
        return _biased(output, w, axes)

    return defined


def transposed_convolution(axes: int, groups: int = 1, **options: Any) -> Definition:
    operation = (functional.conv_transpose1d, functional.conv_transpose2d)[axes - 1]

    def defined(products: Products, w: Weights, x: Tensor) -> Tensor:
        weight = w["weight"].unflatten(0, (groups, -1))  # sums run over the channels of a group

        def apply(x: Tensor, weight: Tensor) -> Tensor:
            return operation(x, weight.flatten(0, 1), None, groups=groups, **options)

        return _biased(products("", x, weight, (1,), apply), w, axes)

    return defined


def attention(heads: int) -> Definition:
    """Of one input for query, key and value, with the batch first."""

    def defined(products: Products, w: Weights, x: Tensor) -> Tensor:
        matrices, biases = w["in_proj_weight"].chunk(3), w["in_proj_bias"].chunk(3)
        queries, keys, values = (
            (products(name, x, matrix) + bias).unflatten(-1, (heads, -1)).transpose(1, 2)
            for name, matrix, bias in zip(("q", "k", "v"), matrices, biases, strict=True)
        )
        scores = (queries @ keys.transpose(2, 3)) / math.sqrt(queries.shape[-1])
        mixed = (scores.softmax(-1) @ values).transpose(1, 2).flatten(2)
        return products("out", mixed, w["out_proj.weight"]) + w["out_proj.bias"]

    return defined


State = tuple[Tensor, ...]


def _lstm(driven: Tensor, recurrent: Tensor, state: State) -> State:
    i, f, g, o = (driven + recurrent).chunk(4, -1)
    cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def _gru(driven: Tensor, recurrent: Tensor, state: State) -> State:
    (r, z, n), (own_r, own_z, own_n) = driven.chunk(3, -1), recurrent.chunk(3, -1)
    update = (z + own_z).sigmoid()
    return ((1 - update) * (n + (r + own_r).sigmoid() * own_n).tanh() + update * state[0],)


def _rnn(driven: Tensor, recurrent: Tensor, state: State) -> State:
    return ((driven + recurrent).tanh(),)


STEPS = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}


def cell(kind: str) -> Definition:
    def defined(products: Products, w: Weights, x: Tensor, *state: Tensor) -> Tensor:
        driven = products("ih", x, w["weight_ih"]) + w["bias_ih"]
        recurrent = products("hh", state[0], w["weight_hh"]) + w["bias_hh"]
        return STEPS[kind](driven, recurrent, state)[0]

    return defined


def recurrent(kind: str, *, layers: int = 1, directions: int = 1, projected: bool = False) -> Definition:
    """Of sequences ``[batch, length, features]``, from states of zeros."""

    def defined(products: Products, w: Weights, x: Tensor) -> Tensor:
        sequence = x
        for layer in range(layers):
            suffixes = [f"l{layer}", f"l{layer}_reverse"][:directions]
            sequence = torch.cat([_direction(products, w, sequence, suffix) for suffix in suffixes], -1)
        return sequence

    def _direction(products: Products, w: Weights, sequence: Tensor, suffix: str) -> Tensor:
        driven = products(f"ih_{suffix}", sequence, w[f"weight_ih_{suffix}"]) + w[f"bias_ih_{suffix}"]
        own, bias = w[f"weight_hh_{suffix}"], w[f"bias_hh_{suffix}"]
        state = (driven.new_zeros(len(driven), own.shape[1]),)
        if kind == "LSTM":
            state = (*state, driven.new_zeros(len(driven), len(own) // 4))
        hidden = []
        steps = list(driven.unbind(1))
        for inputs in reversed(steps) if suffix.endswith("_reverse") else steps:
            state = STEPS[kind](inputs, products(f"hh_{suffix}", state[0], own) + bias, state)
            if projected:
                state = (products(f"hr_{suffix}", state[0], w[f"weight_hr_{suffix}"]), *state[1:])
            hidden.append(state[0])
        return torch.stack(hidden[::-1] if suffix.endswith("_reverse") else hidden, 1)

    return defined


def gated_experts(products: Products, w: Weights, tokens: Tensor, index: Tensor, shares: Tensor) -> Tensor:
    """Mixtral's: SiLU of the first half of the rows of a matrix times its second half, then another matrix."""
    output = torch.zeros_like(tokens)
    for expert, (first, second) in enumerate(zip(w["gate_up_proj"], w["down_proj"], strict=True)):
        share = (shares * (index == expert)).sum(1)
        token = share.nonzero().squeeze(1)
        gate, up = products(f"{expert}.up", tokens[token], first).chunk(2, -1)
        output[token] += share[token, None] * products(f"{expert}.down", functional.silu(gate) * up, second)
    return output


def parallel_experts(sizes: list[int]) -> Definition:
    """JetMoe's: tokens sorted by expert."""

    def defined(products: Products, w: Weights, tokens: Tensor) -> Tensor:
        groups = tokens.split(sizes)
        return torch.cat([products(f"{e}", group, w["weight"][e]) for e, group in enumerate(groups)])

    return defined


def stacked_experts(products: Products, w: Weights, tokens: Tensor) -> Tensor:
    """Llama 4's: as many tokens for each, and outputs on the last axis of a weight."""
    results = []
    for expert, own in enumerate(tokens.chunk(len(w["down_proj"]))):
        first = products(f"{expert}.up", own, w["gate_up_proj"][expert], (0,), torch.matmul)
        gate, up = first.chunk(2, -1)
        results.append(
            products(f"{expert}.down", up * functional.silu(gate), w["down_proj"][expert], (0,), torch.matmul)
        )
    return torch.cat(results)


def weights_of(layer: nn.Module) -> dict[str, Tensor]:
    """Copies of the parameters of a layer, by name."""
    return {name: value.detach().double().clone() for name, value in layer.named_parameters()}


def computed(
    definition: Definition,
    weights: Weights,
    inputs: tuple[Tensor, ...],
    *,
    per_tensor: bool = False,
    following: bool = False,
    ranges_of: Weights | None = None,
) -> Tensor:
    """What a definition gives on a chip that was calibrated on these inputs.

    ``ranges_of``: the weights of the calibration, where they were others.
    """
    exact = tuple(x.double() if x.is_floating_point() else x for x in inputs)
    products = Products(per_tensor, following=following)
    definition(products, weights if ranges_of is None else ranges_of, *exact)
    products.rounding = True
    return definition(products, weights, *exact)


def distance(output: Tensor, expected: Tensor) -> float:
    """Of two outputs, relative to what is expected; absolute where that is 0."""
    return float((output.double() - expected).norm()) / (float(expected.norm()) or 1.0)
