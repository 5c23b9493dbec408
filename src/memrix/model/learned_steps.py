"""The parameters of a quantized model that are steps and ranges."""

from __future__ import annotations

from torch import nn

from memrix.model.conversion import quantized_layers


def learned_steps(model: nn.Module) -> list[nn.Parameter]:
    """The learned steps of weights and ranges of inputs of a quantized model, to be trained at a rate of their own.

    Adam changes each parameter by about its learning rate: at one rate with weights, a weight step of 0.01 changes
    too fast, and an input range of 50 hardly at all. Train them in proportion to their size, without weight decay.

    Args:
        model: as ``quantize`` gave it.

    Returns:
        Each parameter once; none if it was quantized without ``learned_steps``.

    Raises:
        ConversionError: the model is not a module, or has no quantized layer.
    """
    layers = quantized_layers(model).values()
    found = {id(step): step for layer in layers for step in layer.memrix.learned if step is not None}
    return list(found.values())
