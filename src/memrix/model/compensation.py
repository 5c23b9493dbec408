"""Rounding weights so that they make up for each other's errors, from typical inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from memrix._support.tables import listed
from memrix._support.validation import require_number
from memrix.errors import CalibrationError, SettingsError
from memrix.model.batches import MOST_BATCHES, run_batches
from memrix.model.conversion import quantized_layers
from memrix.model.modes import evaluating, unrounded
from memrix.model.undo import unchanged_on_failure
from memrix.nn.composite import Projection
from memrix.nn.fake_quantization import evaluated_input
from memrix.quantization import largest_integer
from memrix.quantization.compensation import compensated_rows


def compensate(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    damping: float = 0.01,
    max_batches: int = MOST_BATCHES,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Round the weights of a quantized model so that they make up for each other's errors (GPTQ, arXiv 2210.17323).

    In place of the nearest integers, each layer gets those that change its outputs least, for inputs such as the
    batches have: weights are rounded one after another, and the error of each is spread over those that are left. The
    model runs once, with quantized inputs and weights that are not rounded. A start for training with low-bit
    weights, or a way to do without it. Weights that several layers share, and those of embeddings, stay as they are.

    Args:
        model: as ``quantize`` gave it, with ``Quantization(learned_steps=True)``, whose steps stay, and calibrated.
        batches: inputs of ``model``, as for ``calibrate``: some thousand vectors for each layer.
        damping: added to the diagonal of the second moments of inputs, as a share of its mean.
        max_batches: as for ``calibrate``.
        progress: called with the number of batches done.

    Raises:
        ConversionError: the model has no quantized layer.
        CalibrationError: a layer has no activation range, or no batch reaches it, or a batch fails.
        InputError: a layer does not take what a batch gives it.
        SettingsError: ``damping`` is no number from 0 to 1, or no layer has learned steps.

    After any error the model is unchanged.
    """
    require_number("damping", damping, 0.0, 1.0)
    layers = _layers_of(model)
    moments: dict[str, Tensor] = {}

    def hook_of(name: str) -> Callable[..., None]:
        def take(layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
            found = _moments(layer, inputs, named)
            moments[name] = found if name not in moments else moments[name] + found

        return take

    hooks = [layer.register_forward_pre_hook(hook_of(name), with_kwargs=True) for name, layer in layers.items()]
    try:
        with unrounded(layers.values()), evaluating(model):
            run_batches(model, batches, max_batches=max_batches, progress=progress)
    finally:
        for hook in hooks:
            hook.remove()
    missed = [name for name in layers if name not in moments]
    if missed:
        raise CalibrationError(f"no batch reaches {listed(missed)}; give batches that do")
    with unchanged_on_failure(model), torch.no_grad():
        for name, layer in layers.items():
            _round(layer, moments[name], damping)


def _layers_of(model: nn.Module) -> dict[str, Any]:
    """Quantized layers with weights of their own, by their names."""
    quantized = quantized_layers(model)
    steady = {name: layer for name, layer in quantized.items() if layer.memrix.learned_weight_step is not None}
    if not steady:
        raise SettingsError(
            "weights are rounded to steps that stay where they are, and those of this model follow its weights; "
            "quantize it with memrix.Quantization(learned_steps=True)"
        )
    uses = Counter(_identity(layer) for layer in quantized.values())
    return {
        name: layer
        for name, layer in steady.items()
        if layer.memrix.geometry.observed and uses[_identity(layer)] == 1
    }


def _identity(layer: Any) -> object:  # noqa: ANN401
    return layer.identity if isinstance(layer, Projection) else id(layer.weight)


def _moments(layer: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Tensor:  # noqa: ANN401
    """Second moments of the input vectors of a call, float64 ``[groups, inputs, inputs]``."""
    geometry = layer.memrix.geometry
    activations, _ = geometry.bind(inputs, named)
    vectors = geometry.unfold(layer, evaluated_input(layer, activations).float()).flatten(1, 2)
    found: Tensor = (vectors.transpose(1, 2) @ vectors).double()
    return found


def _round(layer: Any, moments: Tensor, damping: float) -> None:  # noqa: ANN401
    state, geometry = layer.memrix, layer.memrix.geometry
    matrix = geometry.weight_to_matrix(layer, layer.weight.detach().float())
    step, limit = state.weight_step(matrix).detach(), largest_integer(state.chip.weight_bits)
    rows = matrix.view(len(moments), -1, matrix.shape[1])
    steps = step.expand(matrix.shape[0]).view(rows.shape[:2])
    made = [
        compensated_rows(part, width, limit, seen, damping)
        for part, width, seen in zip(rows, steps, moments, strict=True)
    ]
    rounded = geometry.matrix_to_weight(layer, torch.cat(made)).to(layer.weight.dtype)
    layer.weight.copy_(rounded)
