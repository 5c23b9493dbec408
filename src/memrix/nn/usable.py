"""Which tensors can be written to cells: dense, real and floating-point ones that hold their own values."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from memrix._support.torch_internals import is_wrapped
from memrix.nn.inputs import type_name

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def unusable_tensors(module: nn.Module) -> str | None:
    """Why the weight or the bias of a layer cannot be used, and what to do about it; None if they can."""
    for name in ("weight", "bias"):
        tensor = getattr(module, name, None)
        if isinstance(tensor, Tensor) and (reason := unusable(tensor)) is not None:
            return f"the {name} of this {type(module).__name__} {reason}"
    return None


def unusable_parameters(module: nn.Module) -> str | None:
    """Likewise for every parameter of a composite layer, before they are split."""
    for name, parameter in module._parameters.items():
        # What has no values has a shape all the same, so its parts can say so themselves.
        if parameter is not None and not parameter.is_meta and (reason := unusable(parameter)) is not None:
            return f"{name} of this {type(module).__name__} {reason}"
    return None


def unusable(tensor: Tensor) -> str | None:
    """Why a tensor cannot be written to cells or used with them, to follow its name; None if it can."""
    return next(_reasons(tensor), None)


def _reasons(tensor: Tensor) -> Iterator[str]:
    kind, dtype = type(tensor), tensor.dtype
    if is_wrapped(tensor):
        yield "is inside a torch.func transform; call memrix on the model outside of it"
    if tensor.is_quantized:
        yield f"was quantized by torch ({dtype}); give the float model, or weight.dequantize()"
    if _computes_differently(kind):
        yield (
            f"is a {kind.__name__}, which says itself what operations on it mean; replace it by a plain tensor: "
            f"weight.dequantize(), weight.to_dense() or weight.as_subclass(torch.Tensor)"
        )
    if tensor.is_meta:
        yield "is on the meta device and has no values; load them first"
    if tensor.layout is not torch.strided or tensor.is_nested:
        layout = "nested" if tensor.is_nested else str(tensor.layout)
        yield f"is laid out as {layout}, and cells are written from dense values; replace it by weight.to_dense()"
    if dtype.is_complex:
        yield (
            f"is complex ({dtype}), and cells hold real numbers; make two layers of its real and imaginary parts "
            f"(weight.real, weight.imag)"
        )
    if dtype not in _FLOATS:
        yield (
            f"is of {dtype}, which stands for a weight only with a scale that is kept elsewhere; dequantize it to "
            f"one of {', '.join(map(type_name, _FLOATS))}"
        )
    if tensor.is_inference():
        yield (
            "was made in torch.inference_mode(), so nothing can be changed or trained; make or load the model under "
            "torch.no_grad() instead, or replace it by nn.Parameter(weight.clone())"
        )
    if not tensor.numel():
        yield f"is empty, {list(tensor.shape)}: there is nothing to write"


def _computes_differently(kind: type[Tensor]) -> bool:
    """Whether a class of tensors overrides operations; a subclass that only has another name is harmless."""
    if kind.__torch_dispatch__ is not Tensor.__torch_dispatch__:
        return True
    function = getattr(kind.__torch_function__, "__func__", kind.__torch_function__)
    known = (Tensor.__torch_function__, nn.Parameter.__torch_function__)
    return function not in (getattr(each, "__func__", each) for each in known)
