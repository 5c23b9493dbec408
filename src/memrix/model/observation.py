"""Layers whose inputs are looked at while a model runs: their ranges, a histogram, and samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from memrix._support.random import derive
from memrix.errors import InputError
from memrix.model.layer_calibration import BINS, LayerCalibration
from memrix.model.modes import evaluating, observing
from memrix.model.selection import Selected
from memrix.nn.inputs import require_dense
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.state import LayerState, state_of
from memrix.quantization.observers import RangeObserver
from memrix.quantization.sampling import VectorSampler

CALIBRATION_SAMPLES = 512  # input vectors of every layer, for hardware that is tuned after programming


def vector_sampler(name: str) -> VectorSampler:
    """What collects the calibration samples of a layer of that name."""
    # The text is part of what a seed means.
    return VectorSampler(CALIBRATION_SAMPLES, derive(0, "test vectors", name))


class WatchedLayer:
    """A layer under calibration, and what was seen of its inputs."""

    def __init__(self, layer: Selected, percentile: float) -> None:
        self.layer = layer
        self.reached = False
        self.empty = False  # whether an input without a value was seen
        self._observer = RangeObserver(percentile)
        self._output_observer = RangeObserver(percentile)
        self._sampler = vector_sampler(layer.name)

    def observe(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Take in an input, as a hook."""
        activations, _ = self.layer.handler.geometry.bind(inputs, named)
        require_dense(self.layer.name, activations)
        if not activations.numel():
            self.empty = True
            return
        if activations.is_complex():
            raise InputError(
                f"the input of layer {self.layer.name!r} is complex ({activations.dtype}), and a DAC converts real "
                f"numbers; give its real and imaginary parts as separate inputs: torch.view_as_real"
            )
        self.reached = True
        if not self._observer.observe(activations):
            raise InputError(
                f"the input of layer {self.layer.name!r} holds NaN or infinite values during calibration; "
                f"look at the batch, or at the layers before it"
            )
        if self.layer.hardware.needs_calibration_samples:
            vectors = self.layer.handler.geometry.unfold(module, activations.detach().float())
            self._sampler.observe(vectors.flatten(1, 2))

    def observe_output(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Take in the output of a layer that quantizes it, as a hook."""
        if output.numel() and not self._output_observer.observe(output):
            raise InputError(
                f"the output of layer {self.layer.name!r} holds NaN or infinite values during calibration; "
                f"look at the batch, or at the weights"
            )

    @property
    def quantizes_output(self) -> bool:
        """Whether the layer has an output range to be found."""
        state = state_of(self.layer.module)
        return state is not None and state.output_range is not None

    @property
    def silent(self) -> bool:
        """Whether the range of the layer leaves no DAC code but 0."""
        state = state_of(self.layer.module)
        if state is None or not state.calibrated:
            return False
        return state.input_peak < torch.finfo(torch.float32).tiny * self.layer.hardware.dac.largest_code

    def keep(self, *, ranges: bool) -> LayerCalibration:
        """Leave calibration samples on the layer, and the ranges if asked for; what it has from now on."""
        # Ranges made in inference mode could not follow a training later.
        with torch.inference_mode(False):
            state = LayerState.of(self.layer.module, self.layer.handler.geometry, self.layer.name)
            if ranges:
                state.keep_range(self._observer.range())
                if self.quantizes_output:
                    state.keep_output_range(self._output_observer.range())
            state.keep_sample(
                self._sampler.vectors().clone() if self.layer.hardware.needs_calibration_samples else None
            )
        return self._result(state)

    def _result(self, state: LayerState) -> LayerCalibration:
        layer, limit = self.layer, state.input_peak
        return LayerCalibration(
            name=layer.name,
            kind=layer.handler.kind,
            shape=layer.handler.geometry.matrix_shape(layer.module),
            input_range=limit,
            output_range=None if state.output_range is None else float(state.output_range),
            seen=self._observer.histogram(BINS),
            clipped=self._observer.above(limit),
            sample=state.input_sample,
        )


@contextmanager
def observation(model: nn.Module, watched: Sequence[WatchedLayer]) -> Iterator[None]:
    """Evaluation mode without gradients, activation quantizers and fused kernels; everything as before afterwards."""
    hooks = [each.layer.module.register_forward_pre_hook(each.observe, with_kwargs=True) for each in watched]
    hooks += [
        each.layer.module.register_forward_hook(each.observe_output) for each in watched if each.quantizes_output
    ]
    quantized = [each.layer.module for each in watched if isinstance(each.layer.module, QuantizedLayer)]
    nested = {m: m.use_nested_tensor for m in model.modules() if isinstance(m, nn.TransformerEncoder)}
    try:
        for encoder in nested:
            encoder.use_nested_tensor = False  # the hooks keep its layers from the kernels that understand them
        with observing(quantized), evaluating(model):
            yield
    finally:
        for hook in hooks:
            hook.remove()
        for encoder, used in nested.items():
            encoder.use_nested_tensor = used
