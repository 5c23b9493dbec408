"""Device resampling: each training step samples a new chip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor, nn

from memrix._support.random import Seeds, derive
from memrix.crossbar import ADC
from memrix.crossbar.protocols.resampled import as_population
from memrix.nn.adoption import sharing
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.programming import program_layer, suitable_converter
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.recomputation import Call, as_noted

_RANGING_INTERVAL = 100  # steps between two fits of the converter of a layer


class TrainingSteps:
    """Counts the calls of a whole model in training: each is a step."""

    def __init__(self) -> None:
        self.number = 0

    @classmethod
    def of(cls, model: nn.Module) -> TrainingSteps:
        """The counter of a model, which begins to count."""
        for hook in model._forward_pre_hooks.values():
            if isinstance(hook, cls):
                return hook
        steps = cls()
        model.register_forward_pre_hook(steps)
        return steps

    def __call__(self, model: nn.Module, inputs: tuple[object, ...]) -> None:
        """A step begins, as a hook."""
        self.number += model.training


class DeviceResampling:
    """Runs a layer on a new chip at each training step, with gradients for its weights.

    Devices, cycles and read noise are drawn again, from torch's default generator. Cells that a closed loop would
    program are drawn from a population that it has programmed, which takes no pulses. There is no
    per-column gain and offset correction: training sees these errors.

    Args:
        seed: separates the chips of one training from those of another with the same ``torch.manual_seed``.
        steps: of the model that the layer is part of.
    """

    def __init__(self, seed: int, steps: TrainingSteps) -> None:
        self._seed = seed
        self._steps = steps
        self._chips = 0
        self._step: tuple[int, ...] | None = None
        self._present = _Draw(0, None)
        self._programmed: tuple[object, ...] | None = None
        self._chip: CrossbarLayer | None = None

    def __call__(self, layer: QuantizedLayer, input: Tensor, options: dict[str, Any], call: Call) -> Tensor:
        """The layer's output on the chip of this step.

        A step ends when the model is called again or the weight changes. Layers that are called many times in a step,
        as in a recurrent network, are one chip in it; what gradient checkpointing computes again runs on the chip of
        the first time.
        """
        weight = (layer.weight._version, layer.weight.data_ptr())
        begins = not call.again and self._step != (self._steps.number, *weight)
        if begins:
            self._step = (self._steps.number, *weight)
            self._present = _Draw(derive(call.seed, "chip", str(self._seed)), self._present.adc)
        if not call.again:
            call.used.drawn = self._present
        draw: _Draw = call.used.drawn or self._present
        kept = call.used.input_range
        peak = None if kept is None else as_noted(kept, layer.memrix.input_range)
        if self._chip is None or self._programmed != (draw, *weight):
            self._chip = self._made(layer, draw, peak, input if begins else None)
            if begins:
                call.used.drawn = draw = self._present
            self._programmed = (draw, *weight)
        state = self._chip.memrix
        if peak is not None:
            state.input_range = peak
        state.programmed.restart_noise(derive(call.seed, "read", str(self._seed)))
        # Not a call: the hooks are those of the layer, which runs them itself.
        return self._chip.forward(input, **options)

    def _made(self, layer: QuantizedLayer, draw: _Draw, peak: Tensor | None, input: Tensor | None) -> CrossbarLayer:
        """The chip of a draw. If there is an input, its converter is fitted again from time to time."""
        chip = _chip_of(layer)
        if peak is not None:
            chip.memrix.input_range = peak

        def fit(chip: CrossbarLayer, integers: Tensor) -> None:
            adc = draw.adc
            if input is not None and layer.memrix.chip.adc.per_layer and layer.memrix.geometry.observed:
                if adc is None or self._chips % _RANGING_INTERVAL == 0:
                    sample = layer.memrix.input_sample
                    unfold = layer.memrix.geometry.unfold
                    known = sample if sample is not None else unfold(layer, input.detach()).flatten(1, 2)
                    adc = suitable_converter(chip, known, integers)
                self._present = _Draw(draw.seed, adc)
            if adc is not None:
                chip.memrix.programmed.crossbar.set_converter(adc)

        # Readings switch no cell: the chip lasts for a step.
        program_layer(chip, Seeds(draw.seed, draw.seed, draw.seed), fit=fit, reads=False)
        self._chips += input is not None
        return chip


class _Draw(NamedTuple):
    """The chip of a step: what it is drawn from, and its converter if it is fitted to the layer."""

    seed: int
    adc: ADC | None


def _chip_of(layer: QuantizedLayer) -> CrossbarLayer:
    """A layer of a chip, yet to be programmed, that shares the tensors of a layer, which stays what it is."""
    state = layer.memrix
    hardware = replace(
        state.chip,
        programming=as_population(state.chip.programming),
        adc=replace(state.chip.adc, per_layer=False),
        column_calibration=False,
    )
    chip = sharing(layer, CrossbarLayer)
    state.for_other_hardware(hardware).attach(chip)
    return chip
