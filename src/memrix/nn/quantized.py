"""The digital twin of a layer: weights and inputs fake-quantised to what a chip can hold."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from memrix.errors import CalibrationError
from memrix.hardware import Hardware
from memrix.quantization import activation_step, fake_quantize_activations, fake_quantize_rows, weight_step

Twin = TypeVar("Twin", bound="QuantizedLayer")
RANGE = "input_range"  # buffer of a calibrated layer of any kind: the largest input magnitude, a scalar
SAMPLE = "input_sample"  # buffer of a layer that calibrate has run: input vectors [groups, vectors, inputs]


class QuantizedLayer(nn.Module):
    """A layer whose weights and inputs are fake-quantised. Mixed into a torch layer.

    A subclass says how its weight becomes the columns of matrices, its input the vectors that they multiply, and
    the results its output.

    Attributes:
        observed: whether inputs have a range to be found; an index has none.
    """

    weight: Tensor
    bias: Any  # torch annotates it differently from layer to layer
    input_range: Tensor
    hardware: Hardware
    name: str
    observing: bool
    observed = True
    prefix = "Quantized"  # of the names of classes for subclasses of a torch layer

    @classmethod
    def adopt(cls: type[Twin], layer: nn.Module, name: str, hardware: Hardware) -> Twin:
        """Turn a torch layer into a layer of this class in place: its hooks, owners and keys stay as they are."""
        peak = getattr(layer, RANGE, None)
        layer.__class__ = cls.over(torch_type(type(layer)))
        if not isinstance(layer, cls):
            raise TypeError(f"{cls.__name__} did not take the place of {type(layer).__name__}")
        layer.hardware, layer.name, layer.observing = hardware, name, False
        layer._buffers.pop(RANGE, None)
        # Not yet calibrated is NaN rather than None, so that a state_dict can carry a range into a new twin.
        unknown = torch.full((), torch.nan if cls.observed else 1.0, device=layer.weight.device)
        layer.register_buffer(RANGE, unknown if peak is None else peak)
        return layer

    @classmethod
    def over(cls: type[Twin], layer: type[nn.Module]) -> type[Twin]:
        """This class for layers of a torch class or of a subclass of it, which they remain."""
        return cls if issubclass(cls, layer) else _combined(cls, layer)

    @property
    def calibrated(self) -> bool:
        """Whether the layer has an activation range."""
        return not bool(self.input_range.isnan())

    @property
    def activation_step(self) -> Tensor:
        """Input of one DAC code."""
        return activation_step(self.input_range, self.hardware.dac.largest_code)

    @property
    def matrix_groups(self) -> int:
        """Matrices that the weight consists of, each with inputs and outputs of its own."""
        return 1

    def rows(self, weight: Tensor) -> Tensor:
        """``[groups * outputs, inputs]``: what each output weighs its inputs with, of a tensor like the weight."""
        raise NotImplementedError

    def from_rows(self, rows: Tensor) -> Tensor:
        """The opposite of ``rows``."""
        raise NotImplementedError

    def vectors(self, values: Tensor) -> Tensor:
        """Input vectors ``[groups, batch, vectors, inputs]`` of values of the shape of the layer's input.

        Raises:
            ConversionError: values of another shape.
        """
        raise NotImplementedError

    def assemble(self, results: Tensor, shape: torch.Size) -> Tensor:
        """The layer's output from results ``[groups, batch, vectors, outputs]``; ``shape``: of its input."""
        raise NotImplementedError

    def digital(self, activations: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer's own operation."""
        raise NotImplementedError

    def along_outputs(self, bias: Tensor) -> Tensor:
        """Values ``[outputs]`` shaped to broadcast over the layer's output."""
        raise NotImplementedError

    def matrices(self, weight: Tensor) -> Tensor:
        """``[groups, inputs, outputs]`` of a tensor of the shape of the layer's weight."""
        rows = self.rows(weight)
        return rows.reshape(self.matrix_groups, -1, rows.shape[1]).transpose(1, 2)

    def from_matrices(self, matrices: Tensor) -> Tensor:
        """The opposite of ``matrices``."""
        return self.from_rows(matrices.transpose(1, 2).flatten(0, 1))

    def quantized_weight(self) -> Tensor:
        """The weight as the chip's integers allow, with a straight-through gradient."""
        bits, scale = self.hardware.weight_bits, self.hardware.weight_scale
        rows = self.rows(self.weight.float())
        return self.from_rows(fake_quantize_rows(rows, weight_step(rows, bits, scale), bits)).to(self.weight.dtype)

    def quantized_input(self, input: Tensor) -> Tensor:
        """The input as DAC codes allow, with a straight-through gradient."""
        quantized = fake_quantize_activations(input.float(), self.activation_step, self.hardware.dac.largest_code)
        return quantized.to(input.dtype)

    def forward(self, input: Tensor) -> Tensor:
        """The layer's operation on fake-quantised inputs and weights.

        Raises:
            CalibrationError: the layer has no activation range.
        """
        if not self.observing:
            self.require_calibration()
            input = self.quantized_input(input)
        return self.digital(input, self.quantized_weight(), self.bias)

    def __reduce_ex__(self, protocol: Any) -> Any:  # noqa: ANN401
        # A class that was combined at run time cannot be found by its name.
        mixin = next(ancestor for ancestor in type(self).__mro__ if ancestor not in _COMBINED.values())
        return _blank, (mixin, torch_type(type(self))), self.__getstate__()  # type: ignore[no-untyped-call]

    def require_calibration(self) -> None:
        """Raise CalibrationError unless the layer has an activation range."""
        # A graph that is being captured cannot look at values.
        if torch.compiler.is_compiling() or self.calibrated:
            return
        raise CalibrationError(
            f"layer {self.name!r} has no activation range; run memrix.calibrate(model, batches, hardware) "
            f"on a few batches of typical inputs"
        )


def _blank(mixin: type[Twin], layer: type[nn.Module]) -> Twin:
    return object.__new__(mixin.over(layer))


def as_twin(twin: type[Twin], layer: nn.Module, name: str, hardware: Hardware) -> Twin:
    """A twin of a layer that shares its tensors; the layer itself stays what it is."""
    copy = object.__new__(type(layer))
    copy.__dict__ = {
        k: dict(v) if k in ("_parameters", "_buffers", "_modules") else v for k, v in vars(layer).items()
    }
    return twin.adopt(copy, name, hardware)


def torch_type(kind: type[nn.Module]) -> type[nn.Module]:
    """The class of a layer before memrix adopted it."""
    others = (ancestor for ancestor in kind.__mro__ if not issubclass(ancestor, QuantizedLayer))
    return cast(type[nn.Module], next(others))


_COMBINED: dict[tuple[type[nn.Module], type[nn.Module]], type[Any]] = {}


def _combined(mixin: type[Twin], layer: type[nn.Module]) -> type[Twin]:
    key = (mixin, layer)
    if key not in _COMBINED:
        _COMBINED[key] = type(f"{mixin.prefix}{layer.__name__}", key, {"__doc__": mixin.__doc__})
    return _COMBINED[key]
