"""What layers still lack before they can be programmed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from memrix.crossbar.columns import FEWEST_VECTORS
from memrix.nn.quantized import LEARNED_RANGE, LEARNED_WEIGHT_STEP, OUTPUT_RANGE, RANGE, SAMPLE
from memrix.selection import Selected


def has_range(layer: Selected) -> bool:
    """Whether the ranges that the layer quantises with are known."""
    known = {**layer.module._buffers, **layer.module._parameters}
    needed = [LEARNED_RANGE if LEARNED_RANGE in known else RANGE] if layer.handler.twin.observed else []
    needed += [OUTPUT_RANGE] if OUTPUT_RANGE in known else []
    return all(isinstance(peak := known.get(name), Tensor) and bool(peak.isfinite()) for name in needed)


def has_test_vectors(layer: Selected) -> bool:
    """Whether the layer has what its hardware is tuned with after programming."""
    if not (layer.handler.twin.observed and layer.hardware.needs_test_vectors):
        return True
    sample = layer.module._buffers.get(SAMPLE)
    fewest = FEWEST_VECTORS if layer.hardware.column_calibration else 1
    return isinstance(sample, Tensor) and sample.shape[1] >= fewest


def foreign_steps(selected: Iterable[Selected]) -> list[str]:
    """Layers whose steps were learned for other bits or scales, one message each."""
    messages = []
    for layer in selected:
        known: Any = getattr(layer.module, "learned_for", None)
        if LEARNED_WEIGHT_STEP in layer.module._parameters and known != layer.hardware.steps_key:
            messages.append(
                f"the steps of layer {layer.name!r} were learned for weight_bits={known[0]}, "
                f"weight_scale={known[1]!r} and dac.bits={known[2]}, and this hardware has "
                f"{', '.join(map(repr, layer.hardware.steps_key))}; use the hardware that it was trained for, or "
                f"memrix.quantize it for this one"
            )
    return messages
