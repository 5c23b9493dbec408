"""The layers: fake-quantized, and on programmed crossbars.

An adopted layer is still the same object, with its tensors, hooks and owners, and an instance of its own class. Two
things change. A mixin of memrix is added to its class (``adoption.py``) and replaces its ``forward``. Everything that
memrix adds is in its attribute ``memrix`` (``state.py``): the geometry, the quantizers and, on a chip, the programmed
array.

**An input, from a call to the output** (``crossbar_layer.py``, ``cached_read.py``)::

    input --- Geometry.unfold ---> vectors --- Crossbar.read ---> results --- Geometry.fold ---> output
              [groups, batch, vectors, inputs]                   [groups, batch, vectors, outputs]

``Geometry.windows`` gives the vectors as a view of the input, if possible. Scales, column corrections and bias are
combined before the read (``cached_read.py``).

**A weight, from the layer to the cells** (``programming.py``)::

    weight --- Geometry.weight_to_matrix ---> matrix --- weight_integers ---> integers --- program_pairs ---> cells
                                [groups * outputs, inputs]      [groups, inputs, outputs]

**In training** (``quantized.py``) a layer is its torch operation on rounded values, with straight-through gradients::

    input  --- quantized_input ----+
                                   +--- Geometry.functional_forward --- quantized_output ---> output
    weight --- quantized_weight ---+

Where to look::

    registry, usable              which torch layers can be mapped, and why others cannot
    geometry                      how a layer is a product of vectors and matrices; of each type:
        linear, conv, conv_transpose, embedding
    composite                     layers of several matrices, decomposed into a submodule for each; of each type:
        attention, recurrent, recurrent_cells (recurrence: their steps), experts, stacked
    adoption                      the class of an adopted layer, its pickles, and its own class back
    quantizers, recomputation     ranges and steps: how they are calibrated, observed and learned
    fake_quantization             rounding to these, with straight-through gradients; weight_cache: done once
    programming, programmed       writing a weight to cells; the cells, their scales and their record (layer_record)
    aging                         the cells of a layer at a later time; converters and columns fitted to them again
    chip_gradients                gradients of a layer on a chip
    exact                         modules whose tensors keep their type when a model is cast
    device_resampling             training on a new chip at each step
    keys                          names of tensors in a state_dict, now and before
    graphs, fast_path, shown      torch.fx, torch's fused kernels, and what a layer prints
"""

from torch import nn

from memrix._support.renamed import former_names
from memrix.nn.adoption import adopted_class
from memrix.nn.composite import Composite, DecomposedLayer, Projection
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.geometry import Geometry
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.registry import Handler, register, register_composite

# The classes of adopted layers, by name: for isinstance, and for reprs.
QuantizedLinear = adopted_class(QuantizedLayer, nn.Linear)
"""A fake-quantized ``torch.nn.Linear``."""
MemristorLinear = adopted_class(CrossbarLayer, nn.Linear)
"""A ``torch.nn.Linear`` on a chip."""
MemristorConv1d = adopted_class(CrossbarLayer, nn.Conv1d)
"""A ``torch.nn.Conv1d`` on a chip."""
MemristorConv2d = adopted_class(CrossbarLayer, nn.Conv2d)
"""A ``torch.nn.Conv2d`` on a chip."""
MemristorConv3d = adopted_class(CrossbarLayer, nn.Conv3d)
"""A ``torch.nn.Conv3d`` on a chip."""
MemristorConvTranspose1d = adopted_class(CrossbarLayer, nn.ConvTranspose1d)
"""A ``torch.nn.ConvTranspose1d`` on a chip."""
MemristorConvTranspose2d = adopted_class(CrossbarLayer, nn.ConvTranspose2d)
"""A ``torch.nn.ConvTranspose2d`` on a chip."""
MemristorEmbedding = adopted_class(CrossbarLayer, nn.Embedding)
"""A ``torch.nn.Embedding`` whose rows are read from a chip."""

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
