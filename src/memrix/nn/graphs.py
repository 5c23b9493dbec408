"""Layers in graphs of ``torch.fx``: one node each, as torch's own layers are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

from torch import Tensor, nn
from torch.fx import Proxy

from memrix.errors import ConversionError


def is_proxy(value: object) -> bool:
    """Whether a value stands for one in a graph that is being traced."""
    return isinstance(value, Proxy)


def graph_node(layer: nn.Module, input: Any, options: Mapping[str, Any]) -> Tensor:
    """The call of a layer as a node of the graph that is being traced; the graph calls the layer itself.

    Args:
        layer: that is called.
        input: a proxy.
        options: of the call.

    Raises:
        ConversionError: the layer is the whole of what is traced, or no part of it.
    """
    return cast(Tensor, _node(input, layer, (input,), options))


def one_node(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Make a ``forward`` a node of the graph where it is traced."""

    @functools.wraps(forward)
    def traced(self: nn.Module, *inputs: Any, **named: Any) -> Any:
        for value in (*inputs, *named.values()):
            if is_proxy(value):
                return _node(value, self, inputs, named)
        return forward(self, *inputs, **named)

    return traced


def _node(proxy: Proxy, layer: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    tracer: Any = proxy.tracer
    try:
        path = tracer.path_of_module(layer)
    except NameError as error:
        raise ConversionError(f"torch.fx cannot trace a layer that is not part of the model: {error}") from error
    if not path:
        raise ConversionError(
            f"torch.fx traces what calls layers, and this {type(layer).__name__} is all that there is to trace; "
            f"put it into an nn.Sequential"
        )
    return tracer.create_proxy("call_module", path, inputs, dict(named))
