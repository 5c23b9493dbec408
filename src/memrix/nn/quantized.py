"""The digital twin of a layer: weights and inputs fake-quantised to what a chip can hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from memrix.errors import CalibrationError
from memrix.hardware import Hardware
from memrix.nn.inputs import input_name, require_dense
from memrix.quantization import (
    Quantization,
    activation_step,
    fake_quantize_activations,
    fake_quantize_rows,
    largest_integer,
    learned_activations,
    learned_rows,
    updated_range,
    weight_step,
)
from memrix.random import RandomStream, derive, fill_normal_

Twin = TypeVar("Twin", bound="QuantizedLayer")
# Buffers: the largest magnitude of an input and of an output, scalars; and the epoch, where weights are noisy.
RANGE, OUTPUT_RANGE, EPOCH = "input_range", "output_range", "epoch"
SAMPLE = "input_sample"  # buffer of a layer that calibrate has run: input vectors [groups, vectors, inputs]
# Parameters, where steps are learned.
LEARNED_RANGE, LEARNED_WEIGHT_STEP = "learned_input_range", "learned_weight_step"


class TrainingForward(Protocol):
    """What takes the place of a layer's operation in training."""

    def __call__(self, layer: QuantizedLayer, input: Tensor, **options: Any) -> Tensor:  # noqa: ANN401
        """The layer's output."""

    def restart(self, seed: int) -> None:
        """Draw what is random from ``seed`` on."""


class QuantizedLayer(nn.Module):
    """A layer whose weights and inputs are fake-quantised. Mixed into a torch layer.

    A subclass says how its weight becomes the columns of matrices, its input the vectors that they multiply, and
    the results its output.

    Attributes:
        observed: whether inputs have a range to be found; an index has none.
        observing: whether the activation quantisers are off, because ranges are being found.
        outputs_last: whether the output is the results as they are, but for the shape of its other axes.
        training_forward: takes the place of the fake-quantised operation in training mode.
    """

    weight: Tensor
    bias: Any  # torch annotates it differently from layer to layer
    input_range: Tensor
    hardware: Hardware
    name: str
    observing: bool
    quantization: Quantization | None
    training_forward: TrainingForward | None
    noise_stream: RandomStream
    learned_for: tuple[object, ...] | None  # what of the hardware learned steps belong to
    observed = True
    outputs_last = False
    scales: tuple[str, ...] = (
        RANGE,
        OUTPUT_RANGE,
        LEARNED_RANGE,
        LEARNED_WEIGHT_STEP,
    )  # buffers and parameters of float32
    prefix = "Quantized"  # of the names of classes for subclasses of a torch layer

    @classmethod
    def adopt(cls: type[Twin], layer: nn.Module, name: str, hardware: Hardware) -> Twin:
        """Turn a torch layer into a layer of this class in place: its hooks, owners and keys stay as they are."""
        peak = getattr(layer, RANGE, None)
        quantization = getattr(layer, "quantization", None)
        layer.__class__ = cls.over(torch_type(type(layer)))
        if not isinstance(layer, cls):
            raise TypeError(f"{cls.__name__} did not take the place of {type(layer).__name__}")
        layer.hardware, layer.name, layer.observing = hardware, name, False
        layer.quantization, layer.training_forward = quantization, None
        layer.learned_for = getattr(layer, "learned_for", None)
        layer._buffers.pop(RANGE, None)
        # Not yet calibrated is NaN rather than None, so that a state_dict can carry a range into a new twin.
        layer.register_buffer(RANGE, layer._unknown() if peak is None else peak)
        return layer

    def train_with(self, quantization: Quantization | None) -> None:
        """Have what a way of training needs, and nothing that an earlier one needed.

        Steps that were learned stay where they are asked for again and the hardware has the same bits and scales.
        """
        self.quantization, self.training_forward = quantization, None
        outputs = quantization is not None and quantization.output_quantizers
        noisy = quantization is not None and quantization.weight_noise > 0
        learned = quantization is not None and quantization.learned_steps
        self._keep_buffer(OUTPUT_RANGE, outputs, torch.full((), torch.nan, device=self.weight.device))
        self._keep_buffer(EPOCH, noisy, torch.zeros((), dtype=torch.int64, device=self.weight.device))
        if noisy:
            self.noise_stream = RandomStream(derive(quantization.seed, "weight noise", self.name))  # type: ignore[union-attr]
        if not learned or self.learned_for != self.hardware.steps_key:
            for name in (LEARNED_RANGE, LEARNED_WEIGHT_STEP):
                self._parameters.pop(name, None)
            self.learned_for = None
        if learned and self.learned_for is None:
            with torch.no_grad():
                step = self.row_step(self.rows(self.weight.detach().float()))
            self.register_parameter(LEARNED_WEIGHT_STEP, nn.Parameter(step))
            if self.observed:
                self.register_parameter(LEARNED_RANGE, nn.Parameter(self.input_range.detach().clone()))
            self.learned_for = self.hardware.steps_key

    def restart_noise(self, seed: int) -> None:
        """Draw the noise of training, whichever there is, from ``seed`` on."""
        if EPOCH in self._buffers:
            self.noise_stream.restart(derive(seed, "weight noise", self.name))
        if self.training_forward is not None:
            self.training_forward.restart(seed)

    def _keep_buffer(self, name: str, wanted: bool, initial: Tensor) -> None:
        if wanted and name not in self._buffers:
            self.register_buffer(name, initial)
        elif not wanted and name in self._buffers:
            delattr(self, name)

    @classmethod
    def over(cls: type[Twin], layer: type[nn.Module]) -> type[Twin]:
        """This class for layers of a torch class or of a subclass of it, which they remain."""
        return cls if issubclass(cls, layer) else _combined(cls, layer)

    def _unknown(self) -> Tensor:
        return torch.full((), torch.nan if self.observed else 1.0, device=self.weight.device)

    @property
    def calibrated(self) -> bool:
        """Whether the layer has an activation range."""
        learned = self._parameters.get(LEARNED_RANGE)
        return bool((self.input_range if learned is None else learned.detach()).isfinite())

    @property
    def activation_step(self) -> Tensor:
        """Input of one DAC code."""
        learned = self._parameters.get(LEARNED_RANGE)
        peak = self.input_range if learned is None else learned.abs()
        return activation_step(peak, self.hardware.dac.largest_code)

    def row_step(self, rows: Tensor) -> Tensor:
        """Weight of one integer step of rows ``[outputs, inputs]``: ``[1]``, or ``[outputs]``."""
        learned = self._parameters.get(LEARNED_WEIGHT_STEP)
        if learned is not None:
            return learned.abs()
        hardware = self.hardware
        return weight_step(rows, hardware.weight_bits, hardware.weight_scale, hardware.weight_range)

    @property
    def matrix_groups(self) -> int:
        """Matrices that the weight consists of, each with inputs and outputs of its own."""
        return 1

    @property
    def matrix_inputs(self) -> int:
        """Inputs of each of these matrices."""
        return self.rows(self.weight).shape[1]

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
        """The weight as the chip's integers allow, with a straight-through gradient; noisy in training if asked."""
        rows = self.rows(self.weight.float())
        bits = self.hardware.weight_bits
        step = self.row_step(rows)
        if LEARNED_WEIGHT_STEP in self._parameters:
            quantized = learned_rows(rows, step, largest_integer(bits))
        else:
            quantized = fake_quantize_rows(rows, step, bits)
        if self._noisy:
            planes = torch.tensor(self.hardware.layout(1, 1, 1).plane_weights, dtype=torch.float64)
            deviation = self.quantization.weight_noise * float(planes.square().sum().sqrt())  # type: ignore[union-attr]
            noise = torch.empty_like(quantized)
            fill_normal_(noise, self.noise_stream.on(noise.device))
            quantized = quantized + noise * (step.detach().view(-1, 1) * deviation)
        return self.from_rows(quantized).to(self.weight.dtype)

    @property
    def _noisy(self) -> bool:
        quantization = self.quantization
        if quantization is None or not (self.training and quantization.weight_noise):
            return False
        return int(self._buffers[EPOCH]) >= quantization.noise_start_epoch  # type: ignore[arg-type]

    def quantized_input(self, input: Tensor) -> Tensor:
        """The input as DAC codes allow, with a straight-through gradient."""
        largest = self.hardware.dac.largest_code
        quantize = learned_activations if LEARNED_RANGE in self._parameters else fake_quantize_activations
        return quantize(input.float(), self.activation_step, largest).to(input.dtype)

    def forward(self, input: Tensor | None = None, **options: Any) -> Tensor:  # noqa: ANN401
        """The layer's operation on fake-quantised inputs and weights.

        Args:
            input: as the torch layer takes it, and by the name that it has there.
            options: of this call alone, which ``digital`` and ``assemble`` of such a layer know.

        Raises:
            CalibrationError: the layer has no activation range.
            ConversionError: the input is no dense tensor.
        """
        input = self.named_input(input, options)
        require_dense(self.name, input)
        if self.observing:
            return self.digital(input, self.quantized_weight(), self.bias, **options)
        self.observe_(RANGE, input)
        if self.training and self.training_forward is not None:
            return self.training_forward(self, input, **options)
        self.require_calibration()
        return self.finish(self.digital(self.quantized_input(input), self.quantized_weight(), self.bias, **options))

    def named_input(self, input: Tensor | None, options: dict[str, Any]) -> Any:  # noqa: ANN401
        """The input, taken from the options where it came by a name that the torch layer alone knows."""
        return options.pop(input_name(type(self)), None) if input is None else input

    def finish(self, output: Tensor) -> Tensor:
        """The output, quantised where outputs are.

        Raises:
            CalibrationError: the output has no range.
        """
        if OUTPUT_RANGE not in self._buffers:
            return output
        self.observe_(OUTPUT_RANGE, output)
        peak = self._buffers[OUTPUT_RANGE]
        if not torch.compiler.is_compiling() and bool(peak.isnan()):  # type: ignore[union-attr]
            raise CalibrationError(
                f"the output of layer {self.name!r} is to be quantised and has no range; train a step, or run "
                f"memrix.calibrate(model, batches, hardware) on the quantised model"
            )
        largest = self.hardware.dac.largest_code
        step = activation_step(peak, largest)  # type: ignore[arg-type]
        return fake_quantize_activations(output.float(), step, largest).to(output.dtype)

    def observe_(self, buffer: str, values: Tensor) -> None:
        """Let a range follow the values of a training batch."""
        if self.quantization is None or not self.training or (buffer == RANGE and not self.observed):
            return
        known: Tensor = getattr(self, buffer)
        known.copy_(updated_range(known, values, self.quantization, self.hardware.dac.largest_code))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:  # noqa: ANN401
        # Scales of converters keep their precision, whatever the network computes in.
        own = (*self._buffers.items(), *self._parameters.items())
        kept = {name: scale.detach() for name, scale in own if name in self.scales and scale is not None}
        module = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, scale in kept.items():
            present = getattr(module, name)
            present.data = scale.to(present.device)
        return module

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
            f"on a few batches of typical inputs, or train with memrix.Quantization, whose observers find one"
        )


def _blank(mixin: type[Twin], layer: type[nn.Module]) -> Twin:
    return object.__new__(mixin.over(layer))


def as_twin(twin: type[Twin], layer: nn.Module, name: str, hardware: Hardware) -> Twin:
    """A twin of a layer that shares its tensors; the layer itself stays what it is."""
    copy = object.__new__(type(layer))
    own = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
    copy.__dict__ = {k: v.copy() if k in own else v for k, v in vars(layer).items()}
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
