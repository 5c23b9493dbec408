"""The fake-quantized layer: weights and inputs rounded to what a chip can hold."""

from __future__ import annotations

import math
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from memrix._support.random import derive, fill_normal_
from memrix._support.transforms import has_values, recording, transformed
from memrix.crossbar.fingerprint import Fingerprint
from memrix.errors import CalibrationError
from memrix.hardware import Hardware
from memrix.nn.geometry import STATE, Geometry
from memrix.nn.graphs import graph_node, is_proxy
from memrix.nn.inputs import require_dense
from memrix.nn.recomputation import Call
from memrix.nn.shown import with_state
from memrix.nn.state import EPOCH, LEARNED_WEIGHT_STEP, OUTPUT_RANGE, RANGE, LayerState
from memrix.quantization import (
    activation_step,
    fake_quantize_activations,
    fake_quantize_rows,
    largest_integer,
    learned_activations,
    learned_rows,
    quantized_activations,
)

Adopted = TypeVar("Adopted", bound="QuantizedLayer")

# Former and present names of tensors in a state_dict: they used to be attributes of the layer itself.
_MOVED = {
    **{name: f"{STATE}.{name}" for name in (RANGE, OUTPUT_RANGE, EPOCH, "learned_input_range", LEARNED_WEIGHT_STEP)},
    **{name: f"{STATE}.array.{name}" for name in ("weight_step", "column_gain", "column_offset", "_extra_state")},
    **{name: f"{STATE}.array.{name}" for name in ("crossbar.difference", "crossbar.total")},
}


class _Conveniences:
    """What users may ask of a layer. memrix itself does not: a layer's own attributes may go by these names."""

    memrix: LayerState

    def quantized_weight(self) -> Tensor:
        """The weight as the chip's integers allow, with a straight-through gradient; noisy in training if asked."""
        return quantized_weight(cast("QuantizedLayer", self))


class QuantizedLayer(nn.Module):
    """A layer whose weights and inputs are fake-quantized. Mixed into the class of the layer, which it remains.

    Attributes:
        memrix: all that memrix keeps on the layer.
    """

    memrix: LayerState
    weight: Tensor

    @classmethod
    def adopt(cls: type[Adopted], layer: nn.Module, geometry: Geometry, name: str, hardware: Hardware) -> Adopted:
        """Convert a layer to this class in place. Its hooks, owners and keys do not change."""
        state = LayerState.of(layer, geometry, name)
        layer.__class__ = combined(cls, torch_type(type(layer)))
        state.adopt(geometry, name, hardware)
        state.cache.clear()
        return cast(Adopted, layer)

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
            output = geometry.functional_forward(self, _evaluated_input(self, input), weight, bias, **options)
            return quantized_output(self, output, None)
        call = state.calls.begin()
        peak = observed_range(self, RANGE, input, call) if geometry.observed else None
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

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A class that was combined at run time cannot be found by its name.
        return _blank, _PARTS[type(self)], self.__getstate__()  # type: ignore[no-untyped-call]


def move_keys(layer: QuantizedLayer, state_dict: Any, prefix: str) -> None:
    """Rename tensors of an old ``state_dict``, in which they were attributes of the layer itself, in place."""
    if any(key.startswith(f"{prefix}{STATE}.") for key in state_dict):
        return
    for old, new in _MOVED.items():
        if prefix + old in state_dict and not hasattr(layer, old.partition(".")[0]):
            state_dict[prefix + new] = state_dict.pop(prefix + old)


def moved_name(name: str) -> str:
    """The present name of a tensor of a layer, by its former name."""
    return _MOVED.get(name, name)


def observed_range(layer: QuantizedLayer, buffer: str, values: Tensor, call: Call) -> Tensor:
    """The range that a call in training quantizes with, after it has followed the values of that call."""
    state = layer.memrix
    if call.again:
        return cast(Tensor, call.used.get(buffer, getattr(state, buffer)))
    state.observe(buffer, values)
    call.used[buffer] = getattr(state, buffer).clone()
    return cast(Tensor, call.used[buffer])


def quantized_weight(layer: QuantizedLayer, call: Call | None = None) -> Tensor:
    """The weight as the chip's integers allow, with a straight-through gradient.

    Args:
        layer: a quantized layer.
        call: in training, whose noise there may be; by default that of a call now, where weights are noisy.
    """
    state, weight = layer.memrix, layer.weight
    if layer.training or recording() or transformed() or (torch.is_grad_enabled() and weight.requires_grad):
        return _quantized(layer, call)
    learned = state._parameters.get(LEARNED_WEIGHT_STEP)
    key = None if learned is None else Fingerprint.of(learned)
    return state.cache.get(weight, key, lambda: _quantized(layer, None).detach())


def _quantized(layer: QuantizedLayer, call: Call | None) -> Tensor:
    state, geometry, weight = layer.memrix, layer.memrix.geometry, layer.weight
    matrix = geometry.weight_to_matrix(layer, weight.float())
    bits = state.chip.weight_bits
    step = state.weight_step(matrix)
    if LEARNED_WEIGHT_STEP in state._parameters:
        quantized = learned_rows(matrix, step, largest_integer(bits))
    else:
        quantized = fake_quantize_rows(matrix, step, bits)
    if layer.training and state.noisy:
        quantized = quantized + _weight_noise(layer, quantized, step.detach(), call)
    made: Tensor = geometry.matrix_to_weight(layer, quantized).to(weight.dtype)
    return made


def _weight_noise(layer: QuantizedLayer, matrix: Tensor, step: Tensor, call: Call | None) -> Tensor:
    """Gaussian noise on the weights of every bit slice, as shares of its full scale."""
    quantization: Any = layer.memrix.quantization
    slices = torch.tensor(layer.memrix.chip.layout(1, 1, 1).plane_weights, dtype=torch.float64)
    deviation = quantization.weight_noise * float(slices.square().sum().sqrt())
    if torch.compiler.is_compiling():
        noise = torch.randn_like(matrix)
    else:
        seed = derive((call or layer.memrix.calls.begin()).seed, "weight noise", str(quantization.seed))
        noise = torch.empty_like(matrix, memory_format=torch.contiguous_format)
        fill_normal_(noise, torch.Generator(noise.device).manual_seed(seed))
    scaled: Tensor = noise * (step.view(-1, 1) * deviation)
    return scaled


def quantized_input(layer: QuantizedLayer, input: Tensor, peak: Tensor | None = None) -> Tensor:
    """The input as DAC codes allow, with a straight-through gradient.

    Args:
        layer: a quantized layer.
        input: as the layer takes it.
        peak: the range, where it is not the present one; a learned one goes before.
    """
    state = layer.memrix
    if not state.geometry.observed:
        return input
    largest = state.chip.dac.largest_code
    if state.learned_range is not None:
        return learned_activations(input.float(), state.activation_step, largest).to(input.dtype)
    step = state.activation_step if peak is None else state.step_of(peak)
    return fake_quantize_activations(input.float(), step, largest).to(input.dtype)


def _evaluated_input(layer: QuantizedLayer, input: Tensor) -> Tensor:
    """The input in evaluation, as DAC codes allow.

    Raises:
        CalibrationError: the layer has no activation range.
    """
    state = layer.memrix
    plain = state.learned_range is None and state.geometry.observed and input.device.type == "cpu"
    if not plain or torch.is_grad_enabled() or recording() or transformed():
        state.require_calibration()
        return quantized_input(layer, input)
    peak = float(state.input_range)
    if not math.isfinite(peak):
        state.require_calibration()
    return quantized_activations(input.float(), peak, state.chip.dac.largest_code).to(input.dtype)


def quantized_output(layer: QuantizedLayer, output: Tensor, call: Call | None) -> Tensor:
    """The output, quantized where outputs are; ``call``: in training.

    Raises:
        CalibrationError: the output has no range.
    """
    state = layer.memrix
    if OUTPUT_RANGE not in state._buffers:
        return output
    peak: Any = state._buffers[OUTPUT_RANGE] if call is None else observed_range(layer, OUTPUT_RANGE, output, call)
    if has_values(peak) and bool(peak.isnan()):
        raise CalibrationError(
            f"the output of layer {state.name!r} is to be quantized and has no range; train a step, or run "
            f"memrix.calibrate(model, batches, hardware) on the quantized model"
        )
    largest = state.chip.dac.largest_code
    step = activation_step(peak, largest)
    return fake_quantize_activations(output.float(), step, largest).to(output.dtype)


def torch_type(kind: type[nn.Module]) -> type[nn.Module]:
    """The class of a layer before memrix adopted it."""
    return _PARTS[kind][1] if kind in _PARTS else kind


_COMBINED: dict[tuple[type[QuantizedLayer], type[nn.Module]], type[Any]] = {}
_PARTS: dict[type[Any], tuple[type[QuantizedLayer], type[nn.Module]]] = {}
_PREFIXES: dict[type[QuantizedLayer], str] = {QuantizedLayer: "Quantized"}


def name_classes(mixin: type[QuantizedLayer], prefix: str) -> None:
    """Have classes that are combined with a mixin begin with a word."""
    _PREFIXES[mixin] = prefix


def combined(mixin: type[Adopted], layer: type[nn.Module]) -> type[Adopted]:
    """The class of layers of a torch class, or a subclass of one, that memrix adopted: one for each of them."""
    key = (mixin, layer)
    if key not in _COMBINED:
        # A subclass of a layer is one of the adopted layers, too: MemristorMyLinear is a MemristorLinear.
        known = next((_COMBINED[mixin, base] for base in layer.__mro__[1:] if (mixin, base) in _COMBINED), mixin)
        bases = (known, layer, _Conveniences)
        made = type(f"{_PREFIXES[mixin]}{layer.__name__}", bases, {"__doc__": mixin.__doc__})
        _COMBINED[key] = made
        _PARTS[made] = key
    return cast(type[Adopted], _COMBINED[key])


def _blank(mixin: type[Adopted], layer: type[nn.Module]) -> Adopted:
    return object.__new__(combined(mixin, layer))
