"""What earlier versions wrote in other words: whatever is read from a file or given by a user passes here first.

Files are read without a word about it, since whoever opens one may not have written it. Former names in Python, which
warn, are told by the modules that had them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_LAYER = "memrix."  # within the name of a layer: where its quantizer's tensors are
_OF_LAYERS = ("input_range", "output_range", "epoch", "learned_input_range", "learned_weight_step")


CORPUS = {"licence": "license"}
STATE = {"recogniser": "recognizer", "optimiser": "optimizer"}
SETTINGS = {"optimiser": "optimizer"}
"""Present names by former ones: in the description of a prepared corpus, ``corpus.json``; in the state of a training,
``last.ckpt``; in settings of a training, from a recipe, from ``settings.json``, or as given."""


def in_present_names(table: Any, renamed: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever a file held
    """A table with its present names; anything else as it is."""
    if not isinstance(table, dict):
        return table
    # What is given by both names stays, and is refused for the former one.
    return {
        renamed[name] if name in renamed and renamed[name] not in table else name: value
        for name, value in table.items()
    }


def present_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a recognizer, from when those of a layer's quantizers lay beside its weight."""
    present = {}
    for name, value in tensors.items():
        layer, _, last = name.rpartition(".")
        moved = last in _OF_LAYERS and not f".{layer}.".endswith(f".{_LAYER}")
        present[f"{layer}.{_LAYER}{last}" if moved else name] = value
    return present
