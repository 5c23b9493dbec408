"""What every layer type shares: the digital twin with fake quantisers, and the layer on crossbars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from memrix.crossbar import Crossbar
from memrix.errors import CalibrationError, NumericsError
from memrix.hardware import Hardware
from memrix.quantization import (
    activation_step,
    fake_quantize_activations,
    fake_quantize_weight,
    weight_integers,
    weight_step,
)
from memrix.random import Seeds

Twin = TypeVar("Twin", bound="QuantizedLayer")
RANGE = "input_range"  # buffer of a calibrated layer of any kind: the largest input magnitude, a scalar


class QuantizedLayer(nn.Module):
    """A layer whose weights and inputs are fake-quantised to what a chip can hold. Mixed into a torch layer.

    A subclass says how its weight becomes matrices, and its input and output vectors of them.
    """

    weight: Tensor
    bias: Any  # torch annotates it differently from layer to layer
    input_range: Tensor
    hardware: Hardware
    name: str
    observing: bool

    @classmethod
    def adopt(cls: type[Twin], layer: nn.Module, name: str, hardware: Hardware) -> Twin:
        """Turn a torch layer into a layer of this class in place: its hooks, owners and keys stay as they are."""
        peak = getattr(layer, RANGE, None)
        layer.__class__ = cls
        if not isinstance(layer, cls):
            raise TypeError(f"{cls.__name__} did not take the place of {type(layer).__name__}")
        layer.hardware, layer.name, layer.observing = hardware, name, False
        layer._buffers.pop(RANGE, None)
        # Not yet calibrated is NaN rather than None, so that a state_dict can carry a range into a new twin.
        unknown = torch.full((), torch.nan, device=layer.weight.device)
        layer.register_buffer(RANGE, unknown if peak is None else peak)
        return layer

    @property
    def calibrated(self) -> bool:
        """Whether the layer has an activation range."""
        return not bool(self.input_range.isnan())

    @property
    def activation_step(self) -> Tensor:
        """Input of one DAC code."""
        return activation_step(self.input_range, self.hardware.dac.largest_code)

    def matrices(self, weight: Tensor) -> Tensor:
        """``[groups, inputs, outputs]`` of a tensor of the shape of the layer's weight."""
        raise NotImplementedError

    def vectors(self, codes: Tensor) -> Tensor:
        """Input vectors ``[groups, batch, vectors, inputs]`` of codes of the shape of the layer's input."""
        raise NotImplementedError

    def assemble(self, results: Tensor, shape: torch.Size) -> Tensor:
        """The layer's output from results ``[groups, batch, vectors, outputs]``; ``shape``: of its input."""
        raise NotImplementedError

    def digital(self, activations: Tensor, weight: Tensor) -> Tensor:
        """The layer's own operation, bias included."""
        raise NotImplementedError

    def along_outputs(self, values: Tensor) -> Tensor:
        """Values a output channel ``[1]`` or ``[outputs]``, shaped to broadcast over the layer's output."""
        raise NotImplementedError

    def quantized_weight(self) -> Tensor:
        """The weight as the chip's integers allow, with a straight-through gradient."""
        bits, scale = self.hardware.weight_bits, self.hardware.weight_scale
        weight = self.weight.float()
        return fake_quantize_weight(weight, weight_step(weight, bits, scale), bits).to(self.weight.dtype)

    def forward(self, input: Tensor) -> Tensor:
        """The layer's operation on fake-quantised inputs and weights.

        Raises:
            CalibrationError: the layer has no activation range.
        """
        if not self.observing:
            self._require_calibration()
            largest = self.hardware.dac.largest_code
            quantized = fake_quantize_activations(input.float(), self.activation_step, largest)
            input = quantized.to(input.dtype)
        return self.digital(input, self.quantized_weight())

    def _require_calibration(self) -> None:
        if not self.calibrated:
            raise CalibrationError(
                f"layer {self.name!r} has no activation range; run memrix.calibrate(model, batches, hardware) "
                f"on a few batches of typical inputs"
            )


class CrossbarLayer(QuantizedLayer):
    """A layer that runs on a programmed crossbar; its gradient is that of its digital twin (straight-through).

    The layer keeps its digital ``weight``; the cells were programmed once from it and do not follow it.
    """

    crossbar: Crossbar
    weight_step: Tensor

    def program(self, seeds: Seeds, progress: Callable[[int], None] | None = None) -> None:
        """Quantise the weight and write it to the cells of a chip.

        Raises:
            CalibrationError: the layer has no activation range.
            NumericsError: the weight is not finite.
        """
        self._require_calibration()
        if not bool(torch.isfinite(self.weight).all()):
            raise NumericsError(
                f"the weight of layer {self.name!r} holds NaN or infinite values; "
                f"a chip can hold finite weights only: load or train the model again"
            )
        hardware = self.hardware
        with torch.no_grad(), torch.autocast(self.weight.device.type, enabled=False):
            weight = self.weight.detach().float()
            step = weight_step(weight, hardware.weight_bits, hardware.weight_scale)
            integers = self.matrices(weight_integers(weight, step, hardware.weight_bits))
            self.register_buffer("weight_step", step)
            self.crossbar = Crossbar(
                integers,
                layout=hardware.layout(*integers.shape),
                circuit=hardware.circuit,
                protocol=hardware.programming,
                parameters=hardware.parameters,
                seeds=seeds,
                name=self.name,
                faults=hardware.faults,
                drift=hardware.drift,
                progress=progress,
            )

    def forward(self, input: Tensor) -> Tensor:
        """The layer's operation on the chip; same shape and type as the torch layer gives.

        Raises:
            NumericsError: an input is not finite, or not of a floating-point type.
            ConversionError: an input is not of the shape that the layer takes.
        """
        output = self._on_chip(input.detach())
        learning = any(t is not None and t.requires_grad for t in (input, self.weight, self.bias))
        if torch.is_grad_enabled() and learning:
            twin: Tensor = super().forward(input)
            return _value_of.apply(twin, output)  # type: ignore[no-any-return, no-untyped-call]
        return output

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:  # noqa: ANN401
        # Scales of converters keep their precision, whatever the network computes in.
        scales = {name: scale for name, scale in self.named_buffers(recurse=False) if name in (RANGE, "weight_step")}
        module = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, scale in scales.items():
            setattr(module, name, scale.to(getattr(module, name).device))
        return module

    @torch.no_grad()
    def _on_chip(self, activations: Tensor) -> Tensor:
        _require_numbers(activations, self.name)
        with torch.autocast(activations.device.type, enabled=False):
            return self._read(activations)

    def _read(self, activations: Tensor) -> Tensor:
        step = self.activation_step
        codes = self.hardware.dac.codes(activations.float(), step)
        vectors = self.vectors(codes)
        groups, batch, count, inputs = vectors.shape
        if self.hardware.noise != "legacy":
            vectors = vectors.reshape(groups, 1, batch * count, inputs)
        results = self.crossbar(vectors).view(groups, batch, count, self.crossbar.layout.outputs)
        output = self.assemble(results, activations.shape)
        scale = step * self.hardware.dac.largest_code * self.weight_step
        output = output * self.along_outputs(scale)
        if self.bias is not None:
            output += self.along_outputs(self.bias)
        return output.to(activations.dtype)


class _value_of(torch.autograd.Function):  # noqa: N801 - used like a function
    """The second argument's value with the first one's gradient."""

    @staticmethod
    def forward(ctx: Any, twin: Tensor, value: Tensor) -> Tensor:  # noqa: ANN401
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return gradient, None


def _require_numbers(activations: Tensor, name: str) -> None:
    if not activations.is_floating_point():
        raise NumericsError(
            f"the input of layer {name!r} is of type {activations.dtype}, expected floating-point numbers; "
            f"call .float() on it"
        )
    # A sum is one cheap pass; only a sum that is not finite is worth a second look.
    if bool(activations.sum().isfinite()) or bool(torch.isfinite(activations).all()):
        return
    raise NumericsError(
        f"the input of layer {name!r} holds NaN or infinite values, which a DAC cannot convert; "
        f"look at the layers before it, or at the data"
    )
