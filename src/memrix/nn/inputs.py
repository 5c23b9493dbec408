"""Requirements for the input of a layer, and how values are shown in messages."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from memrix.errors import InputError


def is_dense(value: Tensor) -> bool:
    """Whether a tensor is neither sparse nor nested, nor in a layout of some library."""
    return value.layout is torch.strided and not value.is_nested


def require_dense(name: str, value: Any) -> None:
    """Raise InputError unless the input of a layer is a dense tensor."""
    if isinstance(value, Tensor) and is_dense(value):
        return
    raise InputError(
        f"the input of layer {name!r} must be a dense tensor, got {described(value)}"
        + ("; call .to_dense(), or torch.nested.to_padded_tensor(x, 0.0), on it" if isinstance(value, Tensor) else "")
    )


def type_name(dtype: torch.dtype) -> str:
    """The name of a type without that of torch, such as ``float32``."""
    return str(dtype).removeprefix("torch.")


def described(value: object) -> str:
    """A value in a few words: a tensor by its type, shape and device."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    kind = type_name(value.dtype)
    if value.is_nested:
        return f"a nested tensor of {kind}"
    layout = "" if value.layout is torch.strided else f"{str(value.layout).removeprefix('torch.')} "
    return f"{layout}{kind} {list(value.shape)} on {value.device}"
