"""A small example of every layer that memrix maps, with its definition by hand."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from tests import by_hand


class Call(nn.Module):
    """A model that calls one layer, and gives the first of what that gives.

    Args:
        layer: any.
        constants: further arguments of the layer.
        pair: whether the last two inputs are one argument, as the states of an LSTM are.
        same: whether the input is the query, key and value of an attention.
    """

    def __init__(self, layer: nn.Module, *constants: Any, pair: bool = False, same: bool = False) -> None:
        super().__init__()
        self.layer, self.constants, self.pair, self.same = layer, constants, pair, same

    def forward(self, *inputs: Tensor) -> Tensor:
        arguments: tuple[Any, ...] = inputs
        if self.pair:
            arguments = (*inputs[:-2], inputs[-2:])
        if self.same:
            arguments = inputs * 3
        output: Any = self.layer(*arguments, *self.constants)
        return output if isinstance(output, Tensor) else output[0]


@dataclass(frozen=True)
class Example:
    """One layer.

    Attributes:
        kind: what the registry knows it by.
        make: a model that calls it, with random weights.
        inputs: of the model.
        definition: what it computes.
        layers: the selection that it takes.
    """

    kind: type[nn.Module] | str
    make: Callable[[], Call]
    inputs: tuple[Tensor, ...]
    definition: by_hand.Definition
    layers: str | None = None


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made(example: Example, seed: int = 0) -> Call:
    """A model with weights and biases from a seed, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = example.make()
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.5)
    return model.eval()


def _call(layer: Callable[[], nn.Module], *constants: Any, **options: Any) -> Callable[[], Call]:
    return lambda: Call(layer(), *constants, **options)


def _of_transformers(path: str, *arguments: Any, **configuration: Any) -> Callable[[], nn.Module]:
    module, _, name = path.rpartition(".")

    def make() -> nn.Module:
        kind = getattr(importlib.import_module(f"transformers.{module}"), name)
        config = (SimpleNamespace(_experts_implementation="eager", **configuration),) if configuration else ()
        return kind(*arguments, *config)

    return make


def _routed() -> tuple[Tensor, Tensor, Tensor]:
    shares, index = numbers(48, 3, seed=1).softmax(-1).topk(2)
    return numbers(48, 8), index, shares


_MIXTRAL = {"num_local_experts": 3, "hidden_size": 8, "intermediate_size": 12, "hidden_act": "silu"}
_CONV1 = {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}
_CONV2 = {"stride": (1, 2), "padding": (1, 0), "dilation": (2, 1), "groups": 2}
_CONV3 = {"padding": 1, "dilation": (1, 2, 1), "groups": 2}
_UP1 = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "output_padding": 1}
_UP2 = {"stride": (2, 1), "padding": (1, 0), "groups": 2}
_STATE, _CELL = numbers(24, 6, seed=1).tanh(), numbers(24, 6, seed=2)
_SEQUENCES = (numbers(12, 5, 6),)

EXAMPLES: dict[str, Example] = {
    "Linear": Example(nn.Linear, _call(lambda: nn.Linear(12, 8)), (numbers(40, 12),), by_hand.linear),
    "Conv1d": Example(
        nn.Conv1d, _call(lambda: nn.Conv1d(4, 6, 3, **_CONV1)), (numbers(6, 4, 16),), by_hand.convolution(1, **_CONV1)
    ),
    "Conv2d": Example(
        nn.Conv2d,
        _call(lambda: nn.Conv2d(4, 6, 3, **_CONV2)),
        (numbers(4, 4, 7, 9),),
        by_hand.convolution(2, **_CONV2),
    ),
    "Conv2d, depthwise": Example(
        nn.Conv2d,
        _call(lambda: nn.Conv2d(4, 4, 3, groups=4, bias=False)),
        (numbers(4, 4, 7, 7),),
        by_hand.convolution(2, groups=4),
    ),
    "Conv3d": Example(
        nn.Conv3d,
        _call(lambda: nn.Conv3d(2, 4, 3, **_CONV3)),
        (numbers(2, 2, 4, 6, 4),),
        by_hand.convolution(3, **_CONV3),
    ),
    "ConvTranspose1d": Example(
        nn.ConvTranspose1d,
        _call(lambda: nn.ConvTranspose1d(8, 6, 3, **_UP1)),
        (numbers(6, 8, 9),),
        by_hand.transposed_convolution(1, **_UP1),
    ),
    "ConvTranspose2d": Example(
        nn.ConvTranspose2d,
        _call(lambda: nn.ConvTranspose2d(8, 4, (3, 2), **_UP2)),
        (numbers(4, 8, 4, 4),),
        by_hand.transposed_convolution(2, **_UP2),
    ),
    "Conv1D of transformers": Example(
        "transformers.pytorch_utils.Conv1D",
        _call(_of_transformers("pytorch_utils.Conv1D", 8, 12)),
        (numbers(40, 12),),
        by_hand.transposed_linear,
    ),
    "FalconLinear": Example(
        "transformers.models.falcon.modeling_falcon.FalconLinear",
        _call(_of_transformers("models.falcon.modeling_falcon.FalconLinear", 12, 8)),
        (numbers(40, 12),),
        by_hand.linear,
    ),
    "Embedding": Example(
        nn.Embedding,
        _call(lambda: nn.Embedding(20, 8)),
        (torch.arange(20).view(4, 5),),
        by_hand.embedding,
        layers="layer",
    ),
    "MultiheadAttention": Example(
        nn.MultiheadAttention,
        _call(lambda: nn.MultiheadAttention(8, 2, batch_first=True), same=True),
        (numbers(6, 5, 8),),
        by_hand.attention(2),
    ),
    "LSTM": Example(
        nn.LSTM,
        _call(lambda: nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True)),
        _SEQUENCES,
        by_hand.recurrent("LSTM", layers=2, directions=2),
    ),
    "LSTM, projected": Example(
        nn.LSTM,
        _call(lambda: nn.LSTM(6, 8, proj_size=5, batch_first=True)),
        _SEQUENCES,
        by_hand.recurrent("LSTM", projected=True),
    ),
    "GRU": Example(nn.GRU, _call(lambda: nn.GRU(6, 5, batch_first=True)), _SEQUENCES, by_hand.recurrent("GRU")),
    "RNN": Example(nn.RNN, _call(lambda: nn.RNN(6, 5, batch_first=True)), _SEQUENCES, by_hand.recurrent("RNN")),
    "LSTMCell": Example(
        nn.LSTMCell,
        _call(lambda: nn.LSTMCell(8, 6), pair=True),
        (numbers(24, 8), _STATE, _CELL),
        by_hand.cell("LSTM"),
    ),
    "GRUCell": Example(nn.GRUCell, _call(lambda: nn.GRUCell(8, 6)), (numbers(24, 8), _STATE), by_hand.cell("GRU")),
    "RNNCell": Example(nn.RNNCell, _call(lambda: nn.RNNCell(8, 6)), (numbers(24, 8), _STATE), by_hand.cell("RNN")),
    "experts of Mixtral": Example(
        "experts of transformers",
        _call(_of_transformers("models.mixtral.modeling_mixtral.MixtralExperts", **_MIXTRAL)),
        _routed(),
        by_hand.gated_experts,
    ),
    "experts of JetMoe": Example(
        "transformers.models.jetmoe.modeling_jetmoe.JetMoeParallelExperts",
        _call(_of_transformers("models.jetmoe.modeling_jetmoe.JetMoeParallelExperts", 2, 12, 6), [18, 22]),
        (numbers(40, 12),),
        by_hand.parallel_experts([18, 22]),
    ),
    "experts of Llama 4": Example(
        "transformers.models.llama4.modeling_llama4.Llama4TextExperts",
        _call(_of_transformers("models.llama4.modeling_llama4.Llama4TextExperts", **_MIXTRAL)),
        (numbers(60, 8),),
        by_hand.stacked_experts,
    ),
}
