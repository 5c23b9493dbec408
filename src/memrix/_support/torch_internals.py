"""Names of torch that it does not promise: private ones, and public ones that the oldest allowed torch does not have.

Nothing else in memrix uses such names (``tests/support/test_torch_internals.py`` looks for them). A torch without one
of them still runs memrix: what is said to happen "otherwise" happens then. The attributes of ``nn.Module`` that hold
parameters, buffers, submodules and hooks are none of these: subclasses have relied on them since its first version.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

# PyTorch documents it in its notes on extending torch, under this name.
from torch.utils._python_dispatch import TorchDispatchMode as DispatchMode

__all__ = [
    "DispatchMode",
    "allow_recurrent_graphs",
    "clip_gradient",
    "compiler_is_imported",
    "exporting",
    "forward_mode",
    "in_backward",
    "innermost_transform",
    "is_wrapped",
    "normalizations",
    "operators",
    "require_later",
    "tree_leaves",
]

_functorch: Any = getattr(torch._C, "_functorch", None)
_graph_task: Callable[[], int] = getattr(torch._C, "_current_graph_task_id", lambda: -1)
_assert_async: Callable[[Tensor, str], None] | None = getattr(torch, "_assert_async", None)
_hardtanh_backward: Any = getattr(torch.ops.aten, "hardtanh_backward", None)

exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
"""Whether ``torch.export`` records the present call; in torch 2.6, whether that or ``torch.compile`` does."""

innermost_transform: Callable[[], Any] = getattr(_functorch, "peek_interpreter_stack", lambda: None)
"""The function transform around the present call, None without one; otherwise as if there were none."""

is_wrapped: Callable[[Tensor], bool] = getattr(_functorch, "is_functorch_wrapped_tensor", lambda tensor: False)
"""Whether a function transform put a tensor in the place of one of numbers; otherwise as if none did."""


def forward_mode() -> bool:
    """Whether derivatives are computed in forward mode; otherwise as if they were not."""
    return bool(getattr(forward_ad, "_current_level", -1) >= 0)


def in_backward() -> bool:
    """Whether autograd is running backwards, so that a forward call now is a recomputation.

    By the function that ``torch.utils.checkpoint`` itself asks. Otherwise as if it never were: under gradient
    checkpointing, ranges are then updated by recomputations, too.
    """
    return _graph_task() != -1


def require_later(holds: Tensor, message: str) -> None:
    """Fail with a message unless all values are true, on their device, which nothing waits for; otherwise wait.

    Raises:
        RuntimeError: a value is false.
    """
    if _assert_async is not None:
        _assert_async(holds, message)
    elif not bool(holds.all()):
        raise RuntimeError(message)


def clip_gradient(gradient: Tensor, values: Tensor, low: float, high: float) -> Tensor:
    """The gradient where values lie between two bounds, 0 where they are at a bound or beyond; any shape."""
    if _hardtanh_backward is not None:
        clipped: Tensor = _hardtanh_backward(gradient, values, low, high)
        return clipped
    return gradient.masked_fill((values <= low) | (values >= high), 0)


def operators(names: Mapping[str, Any]) -> dict[Any, Any]:
    """Operators of torch as keys in place of their names; those that this torch does not have are left out."""
    return {getattr(torch.ops.aten, name): value for name, value in names.items() if hasattr(torch.ops.aten, name)}


def normalizations() -> tuple[type[nn.Module], ...]:
    """The class that batch and instance normalization share; otherwise the classes of the public names."""
    shared = getattr(nn.modules.batchnorm, "_NormBase", None)
    if shared is not None:
        return (shared,)
    batch = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return (*batch, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def compiler_is_imported() -> bool:
    """Whether anything can have been compiled; the compiler takes seconds to import."""
    return "torch._dynamo" in sys.modules


def allow_recurrent_graphs() -> None:
    """Let ``torch.compile`` look into recurrent layers, which it refuses by their class; otherwise it does not."""
    config: Any = torch._dynamo.config
    if hasattr(config, "allow_rnn"):
        config.allow_rnn = True


def _plain_leaves(tree: Any) -> list[Any]:  # noqa: ANN401
    """The values in dicts, lists and tuples within one another."""
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in _plain_leaves(part)]
    if isinstance(tree, dict):
        return [leaf for part in tree.values() for leaf in _plain_leaves(part)]
    return [tree]


def _leaves() -> Callable[[Any], list[Any]]:
    try:
        from torch.utils._pytree import tree_leaves as leaves
    except ImportError:
        return _plain_leaves
    return leaves


tree_leaves = _leaves()
"""The values in containers within one another; otherwise those of dicts, lists and tuples alone."""
