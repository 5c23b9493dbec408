"""Layers of transformers that hold the matrices of all experts in one tensor: one linear layer for each matrix.

The contract of the decomposition is that of ``transformers.integrations.moe``, whose kernels take the place of the
``forward`` of every class that is decorated with ``use_experts_implementation``: the flags on the layer say how its
tensors are laid out, and ``_apply_gate`` is the operation between the two products.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from memrix.errors import InputError
from memrix.nn.composite import DecomposedLayer, Projection, Rows, Submodules

_CONTRACT = "transformers.integrations.moe"
_FLAGS = ("has_gate", "has_bias", "is_transposed", "has_post_expert_norm")


def computes_by_contract(kind: type[nn.Module]) -> bool:
    """Whether a class was decorated itself, so that its ``forward`` is any of the kernels of the contract."""
    forward = vars(kind).get("forward")
    return hasattr(forward, "__wrapped__") and getattr(forward, "__globals__", {}).get("__name__") == _CONTRACT


def experts_objection(module: nn.Module) -> str | None:
    """Why certain experts cannot be decomposed."""
    name = type(module).__name__
    missing = [flag for flag in _FLAGS if not hasattr(module, flag)]
    if missing:
        return f"{name} does not say how its weights are laid out (it has no {', '.join(missing)})"
    if getattr(module, "_is_expert_parallel", False):
        return (
            f"the experts of this {name} are spread over several processes; load the model without expert parallelism"
        )
    stacked = {rows.parameter: 2 if "bias" in rows.parameter else 3 for rows in _layout(module, 0).values()}
    for parameter, axes in stacked.items():
        value = getattr(module, parameter, None)
        if not isinstance(value, Tensor) or value.dim() != axes or len(value) != module.num_experts:
            return f"{parameter} of this {name} is not a tensor of {module.num_experts} experts; load the model again"
    return None


def experts_submodules(module: nn.Module) -> Submodules:
    """``0.gate_up`` (``0.up`` where nothing is gated), ``0.down``, ``1.gate_up``... : one linear layer a matrix."""
    submodules: dict[str, nn.Module] = {}
    for expert in range(cast(int, module.num_experts)):
        rows = _layout(module, expert)
        for name in (_first(module), "down"):
            submodules[f"{expert}.{name}"] = Projection(module, rows[name], rows.get(f"{name}_bias"))
    return submodules


def _first(module: nn.Module) -> str:
    return "gate_up" if module.has_gate else "up"


def _layout(module: nn.Module, expert: int) -> dict[str, Rows]:
    """Where the matrices of an expert are, and its biases."""
    transposed = bool(module.is_transposed)
    rows = {name: Rows(f"{name}_proj", entry=expert, transposed=transposed) for name in (_first(module), "down")}
    if module.has_bias:
        rows |= {f"{name}_bias": Rows(f"{name}_proj_bias", entry=expert) for name in list(rows)}
    return rows


class DecomposedExperts(DecomposedLayer):
    """Experts that call one linear layer for each of their matrices."""

    num_experts: int
    has_gate: bool
    has_post_expert_norm: bool

    def forward(
        self,
        hidden_states: Tensor,
        top_k_index: Tensor | None = None,
        top_k_weights: Tensor | None = None,
        *,
        router_indices: Tensor | None = None,
        routing_weights: Tensor | None = None,
    ) -> Tensor:
        """What the layer of transformers gives for the same arguments.

        Args:
            hidden_states: ``[tokens, features]``.
            top_k_index: ``[tokens, k]``: experts of each token; indices from ``num_experts`` on are ignored.
            top_k_weights: ``[tokens, k]``: of their outputs.
            router_indices: another name of ``top_k_index``.
            routing_weights: another name of ``top_k_weights``.

        Returns:
            ``[tokens, features]``.

        Raises:
            InputError: the experts or their weights are not given, or are of other shapes.
        """
        experts = router_indices if top_k_index is None else top_k_index
        shares = routing_weights if top_k_weights is None else top_k_weights
        if experts is None or shares is None:
            raise InputError("experts need top_k_index [tokens, k] and top_k_weights [tokens, k] of a router")
        if hidden_states.dim() != 2 or experts.shape != shares.shape or len(experts) != len(hidden_states):
            raise InputError(
                f"experts take tokens [tokens, features] with indices and weights [tokens, k] of experts, got "
                f"{list(hidden_states.shape)}, {list(experts.shape)} and {list(shares.shape)}"
            )
        output = torch.zeros_like(hidden_states)
        for expert in torch.unique(experts).tolist():
            if expert >= self.num_experts:
                continue
            token, place = torch.where(experts == expert)
            result = self._expert(expert, hidden_states[token]) * shares[token, place, None]
            output.index_add_(0, token, result.to(output.dtype))
        return output

    def _expert(self, expert: int, tokens: Tensor) -> Tensor:
        """``[tokens, features]`` of one expert."""
        submodule: Any = self.get_submodule(str(expert))
        between: Any = self._apply_gate if self.has_gate else self.act_fn
        result: Tensor = submodule["down"](between(submodule["gate_up" if self.has_gate else "up"](tokens)))
        return self.post_expert_norm(result) if self.has_post_expert_norm else result  # type: ignore[operator]
