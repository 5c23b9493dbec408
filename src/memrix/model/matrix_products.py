"""Products of numbers in products of matrices, counted while they are computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from memrix._support.torch_internals import DispatchMode, operators

_OPERATIONS = 2  # of a product, which is added to others


class MatrixProducts(DispatchMode):  # type: ignore[no-untyped-call]
    """Counts the products of matrices that a block computes; ``FlopCounterMode`` takes far longer.

    What torch itself counts is counted by its formulas. Attention, recurrent layers and other operations that a CPU
    or an accelerator computes in one piece, which it knows no formula of, have theirs below.

    Attributes:
        count: of products so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        given = kwargs or {}
        own, known = _FORMULAS.get(func._overloadpacket), flop_registry.get(func._overloadpacket)
        if own is None and known is None and torch.is_inference_mode_enabled():
            # Operations that are made of others arrive whole.
            with self:
                made = func.decompose(*args, **given)
            if made is not NotImplemented:
                return made
        output = func(*args, **given)
        if own is not None:
            self.count += own(*args, **given)
        elif known is not None:
            self.count += known(*args, **given, out_val=output) // _OPERATIONS
        return output


def _pairs(query: Tensor, key: Tensor) -> int:
    """Pairs of a query and a key: of ``[..., n, width]`` and ``[..., m, width]``, or of nested sequences."""
    if query.is_nested:
        return sum(_pairs(*each) for each in zip(query.unbind(), key.unbind(), strict=True))
    return query.shape[:-1].numel() * key.shape[-2]


def _vectors(values: Tensor) -> int:
    return values.numel() // max(1, values.size(-1))


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object) -> int:
    return _pairs(query, key) * (query.shape[-1] + value.shape[-1])


def _projected_attention(
    query: Tensor, key: Tensor, value: Tensor, width: int, heads: int, *_: object, **__: object
) -> int:
    projections = width**2 * (2 * _vectors(query) + _vectors(key) + _vectors(value))
    return projections + 2 * _pairs(query, key) * width


def _encoder_layer(source: Tensor, width: int, heads: int, *others: Any, **__: object) -> int:  # noqa: ANN401
    up, down = others[11], others[13]
    feed_forward = _vectors(source) * (up.numel() + down.numel())
    return _projected_attention(source, source, source, width, heads) + int(feed_forward)


def _recurrent_of_mkldnn(values: Tensor, of_input: Tensor, of_state: Tensor, *_: object, **__: object) -> int:
    return _vectors(values) * (of_input.numel() + of_state.numel())


def _recurrent_of_cudnn(values: Tensor, weights: Sequence[Tensor], *_: object, **__: object) -> int:
    return _vectors(values) * sum(weight.numel() for weight in weights if weight.dim() > 1)


def _matrix_and_vector(matrix: Tensor, vector: Tensor, **_: object) -> int:
    return matrix.numel()


def _added_matrix_and_vector(added: Tensor, matrix: Tensor, vector: Tensor, **_: object) -> int:
    return matrix.numel()


def _trilinear(*given: Any, **_: object) -> int:  # noqa: ANN401
    """Of ``nn.Bilinear``: every product of the three tensors, which axes of length 1 are inserted into."""
    shapes = []
    for values, axes in zip(given[:3], given[3:6], strict=True):
        shape = list(values.shape)
        for axis in axes:
            shape.insert(axis, 1)
        shapes.append(shape)
    return math.prod(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]


_OF_NAMES: dict[str, Callable[..., int]] = {
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
    "_native_multi_head_attention": _projected_attention,
    "_transformer_encoder_layer_fwd": _encoder_layer,
    "mkldnn_rnn_layer": _recurrent_of_mkldnn,
    "_cudnn_rnn": _recurrent_of_cudnn,
    "mv": _matrix_and_vector,
    "addmv": _added_matrix_and_vector,
    "dot": _matrix_and_vector,
    "vdot": _matrix_and_vector,
    "_trilinear": _trilinear,
}
# Not every version of torch has all of them.
_FORMULAS = operators(_OF_NAMES)
