"""The layers: digital twins with fake quantisers, and their counterparts on crossbars."""

from memrix.nn.base import CrossbarLayer, QuantizedLayer
from memrix.nn.conv import MemristorConv1d, QuantizedConv1d
from memrix.nn.linear import MemristorLinear, QuantizedLinear
from memrix.nn.registry import Handler, register

__all__ = [
    "CrossbarLayer",
    "Handler",
    "MemristorConv1d",
    "MemristorLinear",
    "QuantizedConv1d",
    "QuantizedLayer",
    "QuantizedLinear",
    "register",
]
