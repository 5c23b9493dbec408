"""Which torch layers can be mapped, and to what: one handler a layer type."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils import parametrize

from memrix.nn.base import CrossbarLayer, QuantizedLayer
from memrix.nn.conv import MemristorConv1d, QuantizedConv1d
from memrix.nn.linear import MemristorLinear, QuantizedLinear


@dataclass(frozen=True)
class Handler:
    """How one torch layer type is mapped.

    Attributes:
        layer: the torch layer.
        twin: its digital twin with fake quantisers.
        crossbar: its counterpart on crossbars.
    """

    layer: type[nn.Module]
    twin: type[QuantizedLayer]
    crossbar: type[CrossbarLayer]


_HANDLERS: dict[type[nn.Module], Handler] = {}


def register(handler: Handler) -> None:
    """Make a layer type known to ``quantize``, ``calibrate``, ``program`` and ``summary``."""
    _HANDLERS[handler.layer] = handler


register(Handler(nn.Linear, QuantizedLinear, MemristorLinear))
register(Handler(nn.Conv1d, QuantizedConv1d, MemristorConv1d))


def handler_of(module: nn.Module) -> Handler | str:
    """The handler of a layer, or the reason why there is none."""
    for ancestor in type(module).__mro__:
        handler = _HANDLERS.get(ancestor)
        if handler is not None:
            return _usable(module, handler)
    return f"{type(module).__name__} has no crossbar counterpart"


def _usable(module: nn.Module, handler: Handler) -> Handler | str:
    name = type(module).__name__
    if isinstance(module, QuantizedLayer):
        return handler
    if isinstance(module, NonDynamicallyQuantizableLinear):
        return f"nn.MultiheadAttention multiplies by the weight of this {name} without calling it"
    if parametrize.is_parametrized(module):
        return f"{name} is parametrised; call torch.nn.utils.parametrize.remove_parametrizations first"
    if "forward" in vars(module):
        return f"the forward of this {name} was replaced on the object itself (hooks of accelerate?); undo that first"
    # A subclass that computes something else must not be taken for its parent.
    for method in ("forward", "_conv_forward", "__call__"):
        if getattr(type(module), method, None) is not getattr(handler.layer, method, None):
            return f"{name} overrides {method} of {handler.layer.__name__}, so what it computes is not known"
    if "weight" not in module._parameters:
        return f"the weight of this {name} is no parameter (weight norm?); remove what computes it first"
    return handler
