"""What layers still lack before they can be programmed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from memrix.crossbar.columns import FEWEST_VECTORS
from memrix.model.selection import Selected
from memrix.nn.state import state_of


def has_range(layer: Selected) -> bool:
    """Whether the ranges that the layer quantizes with are known."""
    state = state_of(layer.module)
    if state is None:
        return not layer.handler.geometry.observed
    output = state.output_range
    return (state.calibrated or not layer.handler.geometry.observed) and (output is None or bool(output.isfinite()))


def has_calibration_samples(layer: Selected) -> bool:
    """Whether the layer has what its hardware is tuned with after programming."""
    if not (layer.handler.geometry.observed and layer.hardware.needs_calibration_samples):
        return True
    state = state_of(layer.module)
    sample = None if state is None else state.input_sample
    fewest = FEWEST_VECTORS if layer.hardware.column_calibration else 1
    return sample is not None and sample.shape[1] >= fewest


def foreign_steps(selected: Iterable[Selected]) -> list[str]:
    """Layers whose steps were learned for other bits or scales, one message each."""
    messages = []
    for layer in selected:
        state = state_of(layer.module)
        known: Any = None if state is None else state.learned_for
        if state is not None and state.learned_weight_step is not None and known != layer.hardware.steps_key:
            messages.append(
                f"the steps of layer {layer.name!r} were learned for weight_bits={known[0]}, "
                f"weight_scale={known[1]!r} and dac.bits={known[2]}, and this hardware has "
                f"{', '.join(map(repr, layer.hardware.steps_key))}; use the hardware that it was trained for, or "
                f"memrix.quantize it for this one"
            )
    return messages
