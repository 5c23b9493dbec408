"""Layers of a chip computed digitally for a while, one by one, and their quantization switched off.

On a chip, weights are integers and inputs are codes. To tell what this costs, the digital operation ``f`` is computed
on both sides of the quantization and the difference is added to what the chip gives::

    chip(x) + f(w, x) - f(Q(w), Q(x))        w: exact weights, Q: quantization

The cells, the voltages and the readings stay what they are, so that one cause is taken away and nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from memrix.model.conversion import crossbar_layers
from memrix.nn.cached_read import of_torch_layer
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.fake_quantization import quantized_input, quantized_output, quantized_weight
from memrix.nn.quantized import QuantizedLayer
from memrix.studies.power import Power

Forward = Callable[..., Tensor]


@dataclass(frozen=True)
class Switch:
    """How a layer of a chip is computed.

    Attributes:
        on_chip: whether its cells are read.
        weights: whether its weights are quantized.
        activations: whether its inputs are.
    """

    on_chip: bool = True
    weights: bool = True
    activations: bool = True


ON_CHIP = Switch()
EXACT = Switch(on_chip=False, weights=False, activations=False)


def exact_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights that the quantized layers of a model compute with, by their names: the model was trained to these.

    A float layer is not among them: its exact weight is its weight.
    """
    layers = (module for module in model.modules() if isinstance(module, QuantizedLayer))
    return {layer.memrix.name: quantized_weight(layer).detach().clone() for layer in layers}


class SwitchedChip:
    """A chip whose layers can be switched.

    Args:
        chip: in evaluation mode wherever it is called.
        exact: weights of layers that are not exactly those of the chip's record, by name: see ``exact_weights``.

    Attributes:
        chip: that is called.
        layers: on crossbars, by name.
    """

    def __init__(self, chip: nn.Module, exact: Mapping[str, Tensor]) -> None:
        self.chip = chip
        self.layers = {layer.memrix.name: layer for layer in crossbar_layers(chip)}
        self._exact = exact

    @contextmanager
    def switched(self, switches: Mapping[str, Switch], default: Switch = ON_CHIP) -> Iterator[None]:
        """Compute layers as switched inside of the block; those that are not named have the default."""
        wanted = {name: switches.get(name, default) for name in self.layers}
        with _replaced(
            {
                layer: partial(switched_forward, layer, wanted[name], self._exact_of(name))
                for name, layer in self.layers.items()
                if wanted[name] != ON_CHIP
            }
        ):
            yield

    @contextmanager
    def watched(self, switch: Switch, energies: dict[str, Power]) -> Iterator[None]:
        """Compute all layers exactly inside of the block, and each also as switched, on the same input.

        Args:
            switch: of all layers.
            energies: of the exact outputs, and of what the others differ from them by; added to, by name.
        """

        def forward(name: str, layer: CrossbarLayer, *inputs: object, **named: object) -> Tensor:
            weight = self._exact_of(name)
            meant = switched_forward(layer, EXACT, weight, *inputs, **named)
            given = switched_forward(layer, switch, weight, *inputs, **of_torch_layer(named))
            energies.setdefault(name, Power()).add(given, meant)
            return meant

        with _replaced({layer: partial(forward, name, layer) for name, layer in self.layers.items()}):
            yield

    def _exact_of(self, name: str) -> Tensor:
        exact = self._exact.get(name)
        return self.layers[name].weight if exact is None else exact.to(self.layers[name].weight.device)


def switched_forward(
    layer: CrossbarLayer,
    switch: Switch,
    exact: Tensor,
    *inputs: Any,  # noqa: ANN401
    **named: Any,  # noqa: ANN401
) -> Tensor:
    """The output of a layer as switched, for the arguments of its call, of the type of the torch layer's output.

    Args:
        layer: on crossbars.
        switch: how it is computed.
        exact: its weight without quantization.
        inputs: of the call.
        named: of the call.
    """
    if switch == ON_CHIP:
        return type(layer).forward(layer, *inputs, **named)
    state, geometry = layer.memrix, layer.memrix.geometry
    input, options = geometry.bind(inputs, of_torch_layer(named))
    device = input.device.type
    autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    output_type = geometry.output_type(layer, input, autocast)
    output_range, state.output_range = state.output_range, None
    try:
        with torch.autocast(device, enabled=False):
            values = input.float() if input.is_floating_point() else input
            bias = geometry.bias(layer)
            bias = None if bias is None else bias.float()

            def digital(weights: bool, activations: bool) -> Tensor:
                weight = quantized_weight(layer) if weights else exact
                given = quantized_input(layer, values) if activations else values
                return geometry.functional_forward(layer, given, weight.float(), bias, **options)

            output = digital(switch.weights, switch.activations)
            if switch.on_chip:
                read = type(layer).forward(layer, *inputs, **named).float()
                output = read + (output - digital(weights=True, activations=True))
    finally:
        state.output_range = output_range
    return (quantized_output(layer, output, None) if switch.activations else output).to(output_type)


@contextmanager
def _replaced(forwards: Mapping[CrossbarLayer, Forward]) -> Iterator[None]:
    """Let layers run other functions than their ``forward`` inside of the block."""
    try:
        for layer, forward in forwards.items():
            vars(layer)["forward"] = forward
        yield
    finally:
        for layer in forwards:
            vars(layer).pop("forward", None)
