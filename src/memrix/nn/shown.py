"""How a layer that memrix has adopted is printed: never as the digital layer that it was."""

from __future__ import annotations

from textwrap import indent

from torch import nn

from memrix.nn.keys import STATE


def under_its_class(layer: nn.Module, own: str) -> str:
    """The repr of a layer, with the name of its class and its submodules, independent of what its library prints.

    Args:
        layer: of a class that memrix made for it.
        own: the repr by the layer's class. Some classes print another name and leave out what is inside.
    """
    name = type(layer).__name__
    if own.startswith(name):
        return own
    parts = [f"({key}): {part!r}" for key, part in layer.named_children() if key != STATE]
    if not parts and "\n" not in own:
        return f"{name}({own})"
    return f"{name}(\n" + indent("\n".join([own, *parts]), "  ") + "\n)"


def with_state(layer: nn.Module, own: str, digital: str, state: nn.Module, said: str) -> str:
    """What a quantized or programmed layer prints: its settings as torch does, and where it runs, on one line.

    Such as ``MemristorLinear(in_features=512, out_features=384, bias=True; on 24 tiles of 128 x 128 pairs, 100% in
    use, 3 bits)``.

    Args:
        layer: of a class that memrix made for it.
        own: the repr by the layer's class.
        digital: name of the class of the layer before memrix adopted it.
        state: the child of the layer that is memrix's.
        said: of the layer by that.
    """
    own = _on_one_line(own.replace(f"\n  ({STATE}): {state!r}", ""))
    if own.startswith(f"{digital}("):
        own = type(layer).__name__ + own.removeprefix(digital)
    own = under_its_class(layer, own)
    if "\n" in own:
        return own.removesuffix("\n)") + f"\n  {said}\n)"
    inside = own.removesuffix(")")
    return f"{inside}{said})" if inside.endswith("(") else f"{inside}; {said})"


def _on_one_line(text: str) -> str:
    """Without the line breaks that torch sets around settings when a layer has children."""
    lines = text.splitlines()
    if lines[-1] != ")" or not lines[0].endswith("(") or len(lines) > 3:  # the brackets, and settings between
        return text
    return "".join(line.strip() for line in lines)
