"""Training on a chip of its own at every step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from memrix.crossbar import ADC
from memrix.crossbar.protocols.resampled import as_population
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.quantized import SAMPLE, QuantizedLayer, as_twin
from memrix.random import Seeds, derive

_RANGING_INTERVAL = 100  # steps between two fits of a converter that every layer has of its own


class TrainingSteps:
    """Counts the calls of a whole model in training: each is a step."""

    def __init__(self) -> None:
        self.number = 0

    @classmethod
    def of(cls, model: nn.Module) -> TrainingSteps:
        """The counter of a model, which begins to count."""
        for hook in model._forward_pre_hooks.values():
            if isinstance(owner := getattr(hook, "__self__", None), cls):
                return owner
        steps = cls()
        model.register_forward_pre_hook(steps.count)
        return steps

    def count(self, model: nn.Module, inputs: tuple[object, ...]) -> None:
        """A step begins, as a hook."""
        self.number += model.training


class FreshChips:
    """Runs a layer on a chip that is programmed for one step, with gradients for its weights.

    Devices, cycles and read noise are drawn anew. Cells that a closed loop would program are drawn from a population
    that it has programmed, which takes no pulses. Columns are not calibrated: their errors are what training sees.

    Args:
        crossbar: the layer's counterpart on crossbars.
        seed: the same seed gives the same chips.
        steps: of the model that the layer is part of.
    """

    def __init__(self, crossbar: type[CrossbarLayer], seed: int, steps: TrainingSteps) -> None:
        self._crossbar = crossbar
        self._seed = seed
        self._steps = steps
        self._draws = 0
        self._chips = 0
        self._adc: ADC | None = None
        self._chip: CrossbarLayer | None = None
        self._programmed_for: tuple[int, ...] = ()

    def __call__(self, layer: QuantizedLayer, input: Tensor, **options: Any) -> Tensor:  # noqa: ANN401
        """The layer's output on the chip of this step.

        A step ends when the model is called again, a gradient arrives or the weight changes. Layers that are called
        many times in a step, as in a recurrent network, are one chip in it.
        """
        present = (self._steps.number, layer.weight._version, layer.weight.data_ptr())
        if self._chip is None or self._programmed_for != present:
            self._chip = self._programmed(layer, input)
            self._programmed_for = present
        # Not a call: the hooks are those of the layer, which runs them itself.
        output = self._chip.forward(input, **options)
        if output.requires_grad:
            output.register_hook(self._end_step)  # type: ignore[no-untyped-call]
        return output

    def restart(self, seed: int) -> None:
        """Draw the chips that follow from ``seed``; converters are ranged as often as before."""
        self._seed, self._draws = seed, 0
        self._chip = None

    def _end_step(self, gradient: Tensor) -> None:
        self._chip = None

    def _programmed(self, layer: QuantizedLayer, input: Tensor) -> CrossbarLayer:
        hardware = layer.hardware
        untuned = replace(
            hardware,
            programming=as_population(hardware.programming),
            adc=replace(hardware.adc, per_layer=False),
            column_calibration=False,
        )
        chip = as_twin(self._crossbar, layer, layer.name, untuned)
        step = derive(self._seed, layer.name, str(self._draws))

        def tune(integers: Tensor) -> None:
            if not (hardware.adc.per_layer and layer.observed):
                return
            if self._adc is None or self._chips % _RANGING_INTERVAL == 0:
                sample = getattr(layer, SAMPLE, None)
                known = sample if sample is not None else chip.vectors(input.detach()).flatten(1, 2)
                self._adc = chip.suitable_converter(known)
            if self._adc is not None:
                chip.crossbar.set_converter(self._adc)

        chip.program(Seeds(step, step, step), tune=tune)
        self._draws += 1
        self._chips += 1
        return chip
