"""The layers: digital twins with fake quantisers, and their counterparts on crossbars."""

from memrix.nn.composite import Composite, OpenedLayer, Projection
from memrix.nn.conv import MemristorConv1d, MemristorConv2d, MemristorConv3d
from memrix.nn.conv_transpose import MemristorConvTranspose1d, MemristorConvTranspose2d
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.embedding import MemristorEmbedding
from memrix.nn.linear import MemristorConv1D, MemristorLinear, QuantizedLinear
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.registry import Handler, register, register_composite

__all__ = [
    "Composite",
    "CrossbarLayer",
    "Handler",
    "MemristorConv1D",
    "MemristorConv1d",
    "MemristorConv2d",
    "MemristorConv3d",
    "MemristorConvTranspose1d",
    "MemristorConvTranspose2d",
    "MemristorEmbedding",
    "MemristorLinear",
    "OpenedLayer",
    "Projection",
    "QuantizedLayer",
    "QuantizedLinear",
    "register",
    "register_composite",
]
