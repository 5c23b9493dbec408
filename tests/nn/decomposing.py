"""Copies of torch layers that call their submodules, and what is compared with the torch layers themselves."""

import copy
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from memrix.nn.composite import PendingDecomposition
from memrix.nn.registry import submodules_of


def decomposed(layer: nn.Module) -> nn.Module:
    copied = copy.deepcopy(layer)
    found = submodules_of(copied)
    assert isinstance(found, tuple), found
    PendingDecomposition(copied, *found).decompose_()
    return copied


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_same_results_and_gradients(layer: nn.Module, *inputs: Any, **options: Any) -> None:
    """Outputs, and the gradients of a weighted sum of them, of a layer and of a copy of it that is decomposed."""
    found = []
    for each in (layer, decomposed(layer)):
        torch.manual_seed(0)
        arguments = [i.clone().requires_grad_() if _is_float(i) else i for i in inputs]
        outputs = [o for o in tree_leaves(each(*arguments, **options)) if torch.is_tensor(o) and o.requires_grad]
        each.zero_grad()
        sum((o * randn(*o.shape, seed=7)).sum() for o in outputs).backward()
        gradients = [p.grad for p in each.parameters()] + [a.grad for a in arguments if _is_float(a)]
        found.append((outputs, gradients))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()
