"""The fake-quantized layer: weights and inputs rounded to what a chip can hold."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from torch import Tensor, nn

from memrix._support.transforms import transformed
from memrix.hardware import Hardware
from memrix.nn.adoption import AdoptedLayer, adopt, torch_type
from memrix.nn.fake_quantization import evaluated_input, quantized_input, quantized_output, quantized_weight
from memrix.nn.geometry import Geometry
from memrix.nn.graphs import graph_node, is_proxy
from memrix.nn.inputs import require_dense
from memrix.nn.keys import move_keys
from memrix.nn.shown import with_state
from memrix.nn.state import LayerState

Adopted = TypeVar("Adopted", bound="QuantizedLayer")


class _Conveniences:
    """What users may ask of a layer. memrix itself does not: a layer's own attributes may go by these names."""

    memrix: LayerState

    def quantized_weight(self) -> Tensor:
        """The weight as the chip's integers allow, with a straight-through gradient; noisy in training if asked."""
        return quantized_weight(cast("QuantizedLayer", self))


class QuantizedLayer(AdoptedLayer, prefix="Quantized", defaults=(_Conveniences,)):
    """A layer whose weights and inputs are fake-quantized. Mixed into the class of the layer, which it remains.

    Attributes:
        memrix: all that memrix keeps on the layer.
    """

    memrix: LayerState
    weight: Tensor

    @classmethod
    def adopt(cls: type[Adopted], layer: nn.Module, geometry: Geometry, name: str, hardware: Hardware) -> Adopted:
        """Convert a layer to this class in place. Its hooks, owners and keys do not change.

        Args:
            layer: a layer of torch, or one that memrix has converted.
            geometry: how it is a product of vectors and matrices.
            name: its name in the model.
            hardware: whose bits its quantizers have.
        """
        state = LayerState.of(layer, geometry, name)
        adopted = adopt(layer, cls)
        state.adopt(geometry, name, hardware)
        state.cache.clear()
        return adopted

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        """The layer's operation on fake-quantized inputs and weights; arguments as the torch layer takes them.

        Raises:
            CalibrationError: the layer has no activation range.
            InputError: the input is not a dense tensor.
            ConversionError: a function transform would have to see through a training that changes state.
        """
        state = self.memrix
        geometry = state.geometry
        if is_proxy(inputs):  # of all arguments, where nothing but this layer is traced
            return graph_node(self, inputs, {})
        input, options = geometry.bind(inputs, named)
        if is_proxy(input):
            return graph_node(self, input, options)
        require_dense(state.name, input)
        within_transform = transformed()
        if within_transform:
            state.require_transformable(training=self.training)
        if state.observing:
            return geometry.functional_forward(self, input, quantized_weight(self), geometry.bias(self), **options)
        if not self.training or state.quantization is None or within_transform:
            weight, bias = quantized_weight(self), geometry.bias(self)
            output = geometry.functional_forward(self, evaluated_input(self, input), weight, bias, **options)
            return quantized_output(self, output, None)
        call = state.calls.begin()
        peak = state.range_of_inputs(input, call) if geometry.observed else None
        if state.training_forward is not None:
            return state.training_forward(self, input, options, call)
        state.require_calibration()
        weight = quantized_weight(self, call)
        input = quantized_input(self, input, peak)
        output = geometry.functional_forward(self, input, weight, geometry.bias(self), **options)
        return quantized_output(self, output, call)

    def __repr__(self) -> str:
        digital = torch_type(type(self)).__name__
        return with_state(self, super().__repr__(), digital, self.memrix, self.memrix.said)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *others: Any) -> None:
        move_keys(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *others)
