"""Activation ranges and calibration samples from data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from memrix._support.random import derive
from memrix._support.tables import listed
from memrix.errors import CalibrationError, InputError
from memrix.model.batches import MOST_BATCHES, require_batches, run_batches
from memrix.model.contents import Contents
from memrix.model.inventory import rule
from memrix.model.modes import evaluating, observing
from memrix.model.patterns import HardwareChoice, Layers
from memrix.model.readiness import has_range
from memrix.model.references import require_live_functions
from memrix.model.selection import Selected, decompose_owners, quantized_classes, select, warn_of_digital
from memrix.model.undo import unchanged_on_failure
from memrix.model.unreached import require_known, stays_digital
from memrix.model.watching import Watch
from memrix.nn.inputs import require_dense
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.state import OUTPUT_RANGE, LayerState, state_of
from memrix.quantization.observers import RangeObserver
from memrix.quantization.sampling import VectorSampler

CALIBRATION_SAMPLES = 512  # of every layer, for hardware that is tuned after programming


def calibrate(
    model: nn.Module,
    batches: Iterable[Any],
    hardware: HardwareChoice,
    *,
    layers: Layers = None,
    percentile: float = 99.99,
    keep_ranges: bool = False,
    max_batches: int = MOST_BATCHES,
    unreached: Literal["error", "digital"] = "error",
    progress: Callable[[int], None] | None = None,
) -> None:
    """Find the static activation range of every layer: a percentile of its input magnitudes over the batches.

    The model runs in evaluation mode and without activation quantizers, and is left in the mode it was in. The
    ranges are kept on the layers, and go with them into ``quantize`` and ``program``; ranges that are learned start
    from them, and stay once they are there. For hardware that is tuned after programming, a sample of the input
    vectors of every layer is kept too. Composite layers such as ``nn.MultiheadAttention`` call their projections
    one by one from then on; their parameters stay as they are.

    Args:
        model: a float or quantized module.
        batches: inputs of ``model``: a tensor, a tuple or list of arguments, or a mapping of keyword arguments each.
        hardware: the chip or chips, as for ``program``.
        layers: name patterns or a predicate; all that can be mapped by default.
        percentile: of the input magnitudes; what lies above is clipped. 100 takes the largest (min/max observers,
            as in arXiv 2505.24721), and leaves few steps to the rest where a network has outliers.
        keep_ranges: do not change the ranges of layers that have one, such as that of a training; such layers only
            get calibration samples.
        max_batches: more are refused, before the first if ``len(batches)`` is known; a hundred are plenty as a rule.
        unreached: what becomes of layers that no batch gives an input, such as experts that get no token:
            ``"error"``, or ``"digital"``: they stay digital in ``quantize`` and ``program``, with the reason in
            ``summary``.
        progress: called with the number of batches done.

    A layer whose weight is read outside of its own calls, as the first batch shows, would compute there with another
    weight than its cells hold. It stays digital, with a warning, or is an error where it was asked for by name.

    Raises:
        CalibrationError: there is no batch, or too many; a batch cannot be had, or the model does not take it; a
            layer is not reached by any; or the percentile is none.
        InputError: an activation is not finite.
        ConversionError: lists every layer that cannot be mapped as asked.

    Errors in a batch say its number, counted from 1, and the layer. After any error, Ctrl-C included, the model is as
    it was.
    """
    require_known(unreached)
    selected = select(model, hardware, layers, anew=True)
    require_batches(batches)
    require_live_functions(Contents.of(model), quantized_classes(selected), copied=False)
    watched = [_Watched(layer, percentile) for layer in selected if layer.handler.geometry.observed]
    with unchanged_on_failure(model):
        decompose_owners(selected)
        watch = Watch(model, {layer.name: layer.module for layer in selected})

        def around(number: int) -> AbstractContextManager[None]:
            return watch.watching() if number == 1 else nullcontext()

        with _observation(model, watched):
            done = run_batches(model, batches, max_batches=max_batches, progress=progress, around=around)
        if not done:
            raise CalibrationError("there is no batch to calibrate on; give at least one batch of typical inputs")
        watch.note_calls(each.layer.name for each in watched if each.reached)
        missed = {each.layer.name: each.empty for each in watched if not each.reached}
        digital = stays_digital(selected, missed, watch, unreached)
        for each in watched:
            if each.layer.name not in digital:
                each.keep(ranges=not (keep_ranges and has_range(each.layer)))
        for layer in selected:
            rule(layer.module, digital.get(layer.name))
    _warn_of_silence([each.layer.name for each in watched if each.silent and each.layer.name not in digital])
    warn_of_digital(model, list(digital.items()))


def observe_uses(
    model: nn.Module, batches: Iterable[Any], selected: Sequence[Selected]
) -> tuple[dict[str, str], list[str]]:
    """Run batches to see what a model does with the weights of its layers; nothing is kept.

    Returns:
        Layers that cells would not stand for everywhere, with the reason, and those that nothing has reached.

    Raises:
        CalibrationError: there is no batch, or one is not taken by the model.
        InputError: an activation is not finite.
    """
    owners = {layer.name: layer.owner.module for layer in selected if layer.owner is not None}
    watch = Watch(model, {layer.name: layer.module for layer in selected}, owners)
    with _observation(model, [_Watched(layer, 100.0) for layer in selected if layer.handler.geometry.observed]):
        if not run_batches(model, batches, around=lambda number: watch.watching()):
            raise CalibrationError("there is no batch to run; give at least one batch of typical inputs")
    objections = watch.objections
    return objections, [name for name, use in watch.uses.items() if not use.called and name not in objections]


def vector_sampler(name: str) -> VectorSampler:
    """What collects the calibration samples of a layer of that name."""
    return VectorSampler(CALIBRATION_SAMPLES, derive(0, "test vectors", name))


class _Watched:
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
                f"numbers; give its real and imaginary parts as inputs of their own: torch.view_as_real"
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
        return state is not None and OUTPUT_RANGE in state._buffers

    @property
    def silent(self) -> bool:
        """Whether the range of the layer leaves no DAC code but 0."""
        state = state_of(self.layer.module)
        if state is None or not state.calibrated:
            return False
        peak = float(state.input_range if state.learned_range is None else state.learned_range.detach().abs())
        return peak < torch.finfo(torch.float32).tiny * self.layer.hardware.dac.largest_code

    def keep(self, *, ranges: bool) -> None:
        """Leave calibration samples on the layer, and the ranges if asked for."""
        # Ranges made in inference mode could not follow a training later.
        with torch.inference_mode(False):
            state = LayerState.of(self.layer.module, self.layer.handler.geometry, self.layer.name)
            if ranges:
                state.keep_range(self._observer.range())
                if self.quantizes_output:
                    getattr(state, OUTPUT_RANGE).fill_(self._output_observer.range())
            state.keep_sample(
                self._sampler.vectors().clone() if self.layer.hardware.needs_calibration_samples else None
            )


def _warn_of_silence(names: Sequence[str]) -> None:
    if names:
        warnings.warn(
            f"these layers were given nothing but zeros, or values below what float32 can divide into DAC codes: "
            f"{listed(names)}; with such a range they give the same output for every input: calibrate on batches "
            f"that give them others, or leave them out with layers=...",
            stacklevel=3,
        )


@contextmanager
def _observation(model: nn.Module, watched: list[_Watched]) -> Iterator[None]:
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
