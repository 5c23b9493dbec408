"""The layers: fake-quantized, and on programmed crossbars.

A layer keeps its class, hooks, keys and owners. Everything that memrix adds is in its attribute ``memrix``
(``state.py``): the geometry (how weight and input become a matrix and vectors), the quantizers, the programmed array.
"""

from torch import nn

from memrix._support.renamed import former_names
from memrix.nn.composite import Composite, DecomposedLayer, Projection
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.geometry import Geometry
from memrix.nn.quantized import QuantizedLayer, combined
from memrix.nn.registry import Handler, register, register_composite

# The classes of adopted layers, by name: for isinstance, and for reprs.
QuantizedLinear = combined(QuantizedLayer, nn.Linear)
MemristorLinear = combined(CrossbarLayer, nn.Linear)
MemristorConv1d = combined(CrossbarLayer, nn.Conv1d)
MemristorConv2d = combined(CrossbarLayer, nn.Conv2d)
MemristorConv3d = combined(CrossbarLayer, nn.Conv3d)
MemristorConvTranspose1d = combined(CrossbarLayer, nn.ConvTranspose1d)
MemristorConvTranspose2d = combined(CrossbarLayer, nn.ConvTranspose2d)
MemristorEmbedding = combined(CrossbarLayer, nn.Embedding)

__all__ = [
    "Composite",
    "CrossbarLayer",
    "DecomposedLayer",
    "Geometry",
    "Handler",
    "MemristorConv1d",
    "MemristorConv2d",
    "MemristorConv3d",
    "MemristorConvTranspose1d",
    "MemristorConvTranspose2d",
    "MemristorEmbedding",
    "MemristorLinear",
    "Projection",
    "QuantizedLayer",
    "QuantizedLinear",
    "register",
    "register_composite",
]

__getattr__ = former_names(__name__, {"OpenedLayer": "DecomposedLayer"})
