"""What torch makes of a call: a function transform (``torch.func``, forward mode), or a graph that it records."""

from __future__ import annotations

import torch
from torch import Tensor

from memrix._support.torch_internals import forward_mode, innermost_transform, is_wrapped


def transformed() -> bool:
    """Whether the present call is inside a function transform."""
    if torch.compiler.is_compiling():
        return False
    return innermost_transform() is not None or forward_mode()


def is_traced() -> bool:
    """Whether ``torch.jit.trace`` is recording the present call."""
    traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return traced


def recording() -> bool:
    """Whether a graph is being captured, which cannot look at values."""
    return torch.compiler.is_compiling() or is_traced()


def has_values(tensor: Tensor) -> bool:
    """Whether a tensor is one of numbers, rather than one that a compiler or a transform put in its place."""
    return not (torch.compiler.is_compiling() or is_wrapped(tensor))


def straight_through(values: Tensor, quantized: Tensor, bound: Tensor) -> Tensor:
    """Quantized values whose derivative is 1 within ``bound`` and 0 beyond, in any mode of differentiation."""
    within = values.clamp(-bound, bound)
    return quantized.detach() + (within - within.detach())
