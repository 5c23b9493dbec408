"""What earlier versions wrote in other words: whatever is read from a file or given by a user passes here first.

Files are read without a word about it, since whoever opens one may not have written it. Former names in Python, which
warn, are told by the modules that had them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_DESCRIPTION = {"licence": "license"}
_STATE = {"recogniser": "recognizer", "optimiser": "optimizer"}
_SETTINGS = {"optimiser": "optimizer"}

_LAYER = "memrix."  # within the name of a layer: where its quantizer's tensors are
_OF_LAYERS = ("input_range", "output_range", "epoch", "learned_input_range", "learned_weight_step")


def present_description(table: Any) -> Any:  # noqa: ANN401 - whatever a file held
    """The description of a prepared corpus, ``corpus.json``; anything else as it is."""
    return _renamed(table, _DESCRIPTION)


def present_state(state: Any) -> Any:  # noqa: ANN401
    """The state of a training, ``last.ckpt``; anything else as it is."""
    return _renamed(state, _STATE)


def present_settings(table: Any) -> Any:  # noqa: ANN401
    """Settings of a training, from a recipe, from ``settings.json``, or as given; anything else as it is."""
    return _renamed(table, _SETTINGS)


def present_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a recognizer, from when those of a layer's quantizers lay beside its weight."""
    return {_present_tensor(name): value for name, value in tensors.items()}


def _present_tensor(name: str) -> str:
    layer, _, last = name.rpartition(".")
    if last not in _OF_LAYERS or f".{layer}.".endswith(f".{_LAYER}"):
        return name
    return f"{layer}.{_LAYER}{last}"


def _renamed(table: Any, new_of_old: Mapping[str, str]) -> Any:  # noqa: ANN401
    if not isinstance(table, dict):
        return table
    # What is given by both names stays, and is refused for the former one.
    return {
        new_of_old[name] if name in new_of_old and new_of_old[name] not in table else name: value
        for name, value in table.items()
    }
