"""How a layer that memrix has adopted is printed: never as the digital layer that it was."""

from __future__ import annotations

from textwrap import indent

from torch import nn


def under_its_class(layer: nn.Module, own: str) -> str:
    """What a layer prints, under the name of its class and with its parts, whatever its library prints.

    Args:
        layer: of a class that was combined from a layer's and memrix's.
        own: what the layer's class alone prints. Some name a class of their own and leave out what is inside.
    """
    name = type(layer).__name__
    if own.startswith(name):
        return own
    parts = [f"({key}): {part!r}" for key, part in layer.named_children()]
    return f"{name}(\n" + indent("\n".join([own, *parts]), "  ") + "\n)"
