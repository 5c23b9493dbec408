"""What torch makes of a call: a function transform (``torch.func``, forward mode), or a graph that it records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

# torch offers no public way to ask: without these names, nothing counts as a transform.
_functorch: Any = getattr(torch._C, "_functorch", None)
_innermost = getattr(_functorch, "peek_interpreter_stack", lambda: None)
_is_wrapped: Callable[[Tensor], bool] = getattr(_functorch, "is_functorch_wrapped_tensor", lambda tensor: False)


def transformed() -> bool:
    """Whether the present call is inside a function transform."""
    if torch.compiler.is_compiling():
        return False
    return _innermost() is not None or getattr(forward_ad, "_current_level", -1) >= 0


def is_traced() -> bool:
    """Whether ``torch.jit.trace`` is recording the present call."""
    traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return traced


def recording() -> bool:
    """Whether a graph is being captured, which cannot look at values."""
    return torch.compiler.is_compiling() or is_traced()


def is_wrapped(tensor: Tensor) -> bool:
    """Whether a function transform put a tensor in the place of one of numbers."""
    return _is_wrapped(tensor)


def has_values(tensor: Tensor) -> bool:
    """Whether a tensor is one of numbers, rather than one that a compiler or a transform put in its place."""
    return not (torch.compiler.is_compiling() or is_wrapped(tensor))


def straight_through(values: Tensor, quantized: Tensor, bound: Tensor) -> Tensor:
    """Quantized values whose derivative is 1 within ``bound`` and 0 beyond, in any mode of differentiation."""
    within = values.clamp(-bound, bound)
    return quantized.detach() + (within - within.detach())
