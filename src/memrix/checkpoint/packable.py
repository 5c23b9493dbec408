"""The weights of a model that packed integers can hold: of which layer each is, and where the model keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from memrix.model.inventory import Candidate
from memrix.nn.composite import Projection, Rows
from memrix.nn.geometry import Geometry
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.registry import Handler


@dataclass(frozen=True)
class Packable:
    """The weight of a layer.

    Attributes:
        module: the layer.
        geometry: how the weight is a matrix.
        bits: of its integers.
        parameter: name in the ``state_dict`` of what holds the weight.
        rows: that the weight is of the parameter; None where it is all of it.
    """

    module: nn.Module
    geometry: Geometry
    bits: float
    parameter: str
    rows: Rows | None

    def held_by(self, model: nn.Module) -> nn.Parameter:
        """The parameter of a model that holds the weight."""
        return model.get_parameter(self.parameter)

    def weight_within(self, parameter: Tensor) -> Tensor:
        """A view of the weight in a tensor like the parameter."""
        return parameter if self.rows is None else self.rows.within(parameter)

    def matrix(self, parameter: Tensor) -> Tensor:
        """``[outputs, inputs]`` of the weight in a tensor like the parameter."""
        return self.geometry.weight_to_matrix(self.module, self.weight_within(parameter))

    def put(self, matrix: Tensor, parameter: Tensor) -> None:
        """Write a matrix to its place in a tensor like the parameter."""
        self.weight_within(parameter).copy_(self.geometry.matrix_to_weight(self.module, matrix))


def quantized_weights(model: nn.Module) -> dict[str, Packable]:
    """Weights of quantized layers by their names, such as ``encoder.0.weight``; those that are computed aside."""
    layers = {
        path: (module, module.memrix.geometry, module.memrix.chip.weight_bits)
        for path, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, QuantizedLayer)
    }
    return _packable(model, layers)


def candidate_weights(
    model: nn.Module, candidates: Sequence[Candidate], bits: Mapping[str, float]
) -> dict[str, Packable]:
    """Weights of layers that are to be quantized, by their names.

    Args:
        model: float, quantized or in between.
        candidates: its layers, of which composite ones may not be decomposed yet.
        bits: of the weights of each layer, by one of its names.
    """
    layers: dict[str, tuple[nn.Module, Geometry, float]] = {}
    for layer in candidates:
        known = next((bits[name] for name in layer.names if name in bits), None)
        if isinstance(layer.handler, Handler) and known is not None:
            layers |= {name: (layer.module, layer.handler.geometry, known) for name in layer.names}
    return _packable(model, layers)


def _packable(model: nn.Module, layers: Mapping[str, tuple[nn.Module, Geometry, float]]) -> dict[str, Packable]:
    paths = {id(module): path for path, module in reversed([*model.named_modules(remove_duplicate=False)])}
    found = {}
    for path, (module, geometry, bits) in layers.items():
        if isinstance(module, Projection):
            owner, parameter = module.place_of("weight")
            if owner._parameters.get(parameter) is not None:
                place = _join(paths[id(owner)], parameter)
                found[_join(path, "weight")] = Packable(module, geometry, bits, place, module.rows)
        elif module._parameters.get("weight") is not None:
            found[_join(path, "weight")] = Packable(module, geometry, bits, _join(path, "weight"), None)
    return found


def in_integers_alone(model: nn.Module, weights: Mapping[str, Packable]) -> dict[str, Packable]:
    """Those whose parameters are multiplied by as integers and by nothing else.

    A parameter that a digital layer uses as well, or of which some rows stay digital, has to be kept whole.
    """
    uses = Counter(id(parameter) for module in model.modules() for parameter in module._parameters.values())
    layers: dict[int, dict[int, Packable]] = {}
    for weight in weights.values():
        layers.setdefault(id(weight.held_by(model)), {})[id(weight.module)] = weight
    return {
        name: weight
        for name, weight in weights.items()
        if uses[id(parameter := weight.held_by(model))] == 1 and _cover(layers[id(parameter)].values(), parameter)
    }


def _cover(layers: Collection[Packable], parameter: Tensor) -> bool:
    within = torch.zeros(parameter.shape, dtype=torch.bool)
    for layer in layers:
        layer.weight_within(within).fill_(True)
    return bool(within.all())


def parameter_names(weights: Mapping[str, Packable]) -> Iterator[str]:
    """Names of the parameters that hold the weights, each once."""
    yield from dict.fromkeys(weight.parameter for weight in weights.values())


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
