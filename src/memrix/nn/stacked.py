"""Layers of transformers with stacks of matrices that route the tokens: one linear layer for each matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from memrix.errors import InputError
from memrix.nn.composite import DecomposedLayer, Projection, Rows, Submodules


def parallel_submodules(module: nn.Module) -> Submodules:
    """``0``, ``1``... of ``JetMoeParallelExperts``: the entries of its ``weight [experts, outputs, inputs]``."""
    count = cast(int, module.num_experts)
    return {str(expert): Projection(module, Rows("weight", entry=expert), None) for expert in range(count)}


class DecomposedParallelExperts(DecomposedLayer):
    """``JetMoeParallelExperts`` that calls one linear layer for each expert."""

    num_experts: int

    def forward(self, inputs: Tensor, expert_size: Sequence[int]) -> Tensor:
        """``[tokens, outputs]`` of ``inputs [tokens, inputs]``, sorted by expert, ``expert_size`` tokens for each.

        Raises:
            InputError: the sizes are not one for each expert.
        """
        if len(expert_size) != self.num_experts:
            raise InputError(f"expected {self.num_experts} sizes, one for each expert, got {len(expert_size)}")
        groups = torch.split(inputs, list(expert_size))
        return torch.cat([self.get_submodule(str(expert))(group) for expert, group in enumerate(groups)])


def llama4_submodules(module: nn.Module) -> Submodules:
    """``0.gate_up``, ``0.down``, ``1.gate_up``... of ``Llama4TextExperts``, whose outputs are on the last axis."""
    return {
        f"{expert}.{name}": Projection(module, Rows(f"{name}_proj", entry=expert, transposed=True), None)
        for expert in range(cast(int, module.num_experts))
        for name in ("gate_up", "down")
    }


class DecomposedLlama4Experts(DecomposedLayer):
    """``Llama4TextExperts`` that call one linear layer for each of their matrices."""

    num_experts: int
    hidden_size: int

    def forward(self, hidden_states: Tensor) -> Tensor:
        """``[experts * tokens, features]`` of an input of that shape: every expert gets a token of each."""
        tokens = hidden_states.view(self.num_experts, -1, self.hidden_size)
        act: Any = self.act_fn
        results = []
        for expert, own in enumerate(tokens):
            submodule: Any = self.get_submodule(str(expert))
            gate, up = submodule["gate_up"](own).chunk(2, dim=-1)
            results.append(submodule["down"](up * act(gate)))
        return torch.cat(results)
