"""Watches the first calls of a chip: a call that reads no cell is an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from memrix._support.tables import listed
from memrix._support.transforms import recording
from memrix.errors import ConversionError
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.graphs import is_proxy


class Witness:
    """A forward hook of a chip that is removed once one of its layers has been read."""

    def __call__(self, chip: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: object) -> None:
        """Look at the counts of conversions after a call.

        Raises:
            ConversionError: the chip was called and none of its layers has ever been read.
        """
        if recording():
            return  # a graph is made, nothing is read
        layers = {name: module for name, module in chip.named_modules() if isinstance(module, CrossbarLayer)}
        if any(layer.memrix.observing for layer in layers.values()):
            return  # layers compute digitally, because somebody looks at their inputs
        if any(layer.memrix.programmed.crossbar.counts.conversions for layer in layers.values()) or not layers:
            self.dismiss(chip)
            return
        given = list(_leaves((inputs, named)))
        if any(map(is_proxy, given)):
            return  # a graph again, of torch.fx
        if all(value.numel() for value in given if isinstance(value, Tensor)):
            raise ConversionError(
                f"the chip gave an output and read none of its layers ({listed(list(layers))}): what it called is "
                f"not what was programmed, such as a function that still runs the model that the chip was made from, "
                f"or an operation on the weights themselves; program the model itself, with "
                f"memrix.program(model, hardware, inplace=True), or let its forward call the layers"
            )

    @classmethod
    def dismiss(cls, chip: nn.Module) -> None:
        """Watch a chip no longer."""
        for key, hook in list(chip._forward_hooks.items()):
            if isinstance(hook, cls):
                del chip._forward_hooks[key]
                chip._forward_hooks_with_kwargs.pop(key, None)

    @classmethod
    def watch(cls, chip: nn.Module) -> None:
        """Watch a chip, unless it is a layer itself, which reads whenever it is called."""
        if not isinstance(chip, CrossbarLayer):
            chip.register_forward_hook(cls(), with_kwargs=True)


def _leaves(values: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(values, Mapping):
        yield from _leaves(tuple(values.values()))
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from _leaves(value)
    else:
        yield values
