"""Modes that a model is run in for a while: each of its modules gets its own back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn

from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.state import LayerState


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run a block in evaluation mode and without gradients."""
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def unread(layers: Iterable[CrossbarLayer]) -> Iterator[None]:
    """Run a block after which read noise and counts of conversions continue where they were before it."""
    records = [(record := layer.memrix.programmed.crossbar.record, record.clone()) for layer in layers]
    try:
        yield
    finally:
        for record, before in records:
            record.copy_(before)


@contextmanager
def unrounded(layers: Iterable[QuantizedLayer]) -> Iterator[None]:
    """Let quantized layers multiply by their weights as they are; inputs stay quantized."""
    with _switched([layer.memrix for layer in layers], "unrounded"):
        yield


@contextmanager
def observing(layers: Iterable[QuantizedLayer]) -> Iterator[None]:
    """Let quantized layers take their inputs unquantized; those of a chip compute digitally meanwhile."""
    with _switched([layer.memrix for layer in layers], "observing"):
        yield


@contextmanager
def _switched(states: Sequence[LayerState], switch: Literal["observing", "unrounded"]) -> Iterator[None]:
    try:
        for state in states:
            setattr(state, switch, True)
        yield
    finally:
        for state in states:
            setattr(state, switch, False)
