"""Names of the tensors of an adopted layer in a ``state_dict``: every file has them, so they must not change."""

from __future__ import annotations

from typing import Any

from torch import nn

STATE = "memrix"  # the only attribute that memrix adds to a layer; the names below are relative to it

# Buffers, scalars: the largest magnitude of an input and of an output, and the epoch if weights are noisy.
RANGE, OUTPUT_RANGE, EPOCH = "input_range", "output_range", "epoch"
SAMPLE = "input_sample"  # buffer of a layer that calibrate has run: input vectors [groups, vectors, inputs]
# Parameters, if steps are learned.
LEARNED_RANGE, LEARNED_WEIGHT_STEP = "learned_input_range", "learned_weight_step"

ARRAY = f"{STATE}.array"  # the programmed array; the names below are relative to it
WEIGHT_STEP = "weight_step"
COLUMN_GAIN, COLUMN_OFFSET = "column_gain", "column_offset"  # if columns are calibrated
RECORD = "_extra_state"

# Former and present names of tensors in a state_dict: they used to be attributes of the layer itself.
_MOVED = {
    **{name: f"{STATE}.{name}" for name in (RANGE, OUTPUT_RANGE, EPOCH, LEARNED_RANGE, LEARNED_WEIGHT_STEP)},
    **{name: f"{ARRAY}.{name}" for name in (WEIGHT_STEP, COLUMN_GAIN, COLUMN_OFFSET, RECORD)},
    **{name: f"{ARRAY}.{name}" for name in ("crossbar.difference", "crossbar.total")},
}


def move_keys(layer: nn.Module, state_dict: Any, prefix: str) -> None:
    """Rename tensors of an old ``state_dict``, in which they were attributes of the layer itself, in place."""
    if any(key.startswith(f"{prefix}{STATE}.") for key in state_dict):
        return
    for old, new in _MOVED.items():
        # The layer itself may have a tensor of such a name.
        if prefix + old in state_dict and not hasattr(layer, old.partition(".")[0]):
            state_dict[prefix + new] = state_dict.pop(prefix + old)


def moved_name(name: str) -> str:
    """The present name of a tensor of a layer, by its former name."""
    return _MOVED.get(name, name)
