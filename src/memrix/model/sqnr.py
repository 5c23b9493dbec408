"""The signal to quantization-and-noise ratio (SQNR) of the layers of a chip."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from memrix.errors import CalibrationError
from memrix.model.batches import MOST_BATCHES, run_batches
from memrix.model.conversion import crossbar_layers
from memrix.model.modes import evaluating
from memrix.nn.cached_read import of_torch_layer
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.fake_quantization import quantized_input, quantized_output, quantized_weight


@dataclass
class Energies:
    """Energies of all outputs of one layer.

    Attributes:
        signal: sum of the squared outputs of the digital operation.
        error: sum of the squared differences between the chip's outputs and those.
    """

    signal: float = 0.0
    error: float = 0.0

    @property
    def sqnr(self) -> float:
        """The SQNR in dB; infinite without an error."""
        if not self.error:
            return math.inf
        return 10 * math.log10(self.signal / self.error) if self.signal else -math.inf


def measure(
    chip: nn.Module,
    batches: Iterable[Any],
    *,
    max_batches: int = MOST_BATCHES,
    progress: Callable[[int], None] | None = None,
) -> dict[CrossbarLayer, Energies]:
    """Run batches through a chip, and compute the digital operation of every layer on the same input.

    The operation is that of the fake-quantized layer, in float32: errors of earlier layers are part of the input, not
    of the error. The chip runs in evaluation mode and is left in its previous mode. Its read noise continues, and its
    conversions are counted; ``memrix.summary`` undoes both.

    Args:
        chip: as ``memrix.program`` gave it.
        batches: as for ``memrix.calibrate``.
        max_batches: more are refused.
        progress: called with the number of batches done.

    Returns:
        The energies of each layer that was reached.

    Raises:
        ConversionError: no layer of the model runs on a chip.
        CalibrationError: there is no batch, or too many; or the chip does not accept one.
    """
    found: dict[CrossbarLayer, Energies] = {}

    def compare(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Tensor) -> None:
        if not isinstance(module, CrossbarLayer):
            return
        expected = _meant_output(module, inputs, of_torch_layer(named)).double()
        energies = found.setdefault(module, Energies())
        energies.signal += float(expected.square().sum())
        energies.error += float((output.double() - expected).square().sum())

    hooks = [layer.register_forward_hook(compare, with_kwargs=True, prepend=True) for layer in crossbar_layers(chip)]
    try:
        with evaluating(chip):
            done = run_batches(chip, batches, max_batches=max_batches, progress=progress)
        if not done:
            raise CalibrationError("there is no batch to compare on; give at least one batch of typical inputs")
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _meant_output(layer: CrossbarLayer, inputs: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """The layer's operation on quantized input and weight, and quantized itself where outputs are."""
    geometry = layer.memrix.geometry
    input, options = geometry.bind(inputs, named)
    with torch.autocast(input.device.type, enabled=False):
        activations = input.float() if input.is_floating_point() else input
        bias = geometry.bias(layer)
        bias = None if bias is None else bias.float()
        weight, quantized = quantized_weight(layer).float(), quantized_input(layer, activations)
        return quantized_output(layer, geometry.functional_forward(layer, quantized, weight, bias, **options), None)
