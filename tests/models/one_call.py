"""A whole model, built from a configuration and unchanged, through the verbs of memrix."""

from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils._pytree import tree_flatten

import memrix

PHYSICAL = memrix.Hardware.preset("physical")
LOOKUP = "Embedding looks rows up and multiplies nothing; select it by name to read its rows from a chip"


def assert_runs_on_a_chip(model: nn.Module, batch: dict[str, Any], digital: set[str] = frozenset()) -> nn.Module:
    """Calibrate, program and run; all layers are read, and those that are digital are so for these reasons."""
    model.eval()
    with torch.no_grad():
        expected = _tensors(model(**batch))
        memrix.calibrate(model, [batch], PHYSICAL)
        _assert_close(_tensors(model(**batch)), expected)
        chip = memrix.program(model, PHYSICAL)
        output = _tensors(chip(**batch))
    assert [o.shape for o in output] == [e.shape for e in expected]
    assert all(bool(torch.isfinite(o).all()) for o in output)
    assert not all(torch.equal(o, e) for o, e in zip(output, expected, strict=True))
    summary = memrix.summary(chip)
    assert [layer.name for layer in summary.layers if not layer.conversions] == []
    assert {layer.reason.partition("; it reads the digital weight")[0] for layer in summary.digital} == digital
    on_chip = sum(torch.Size(layer.weight_shape).numel() for layer in summary.layers)
    assert on_chip + sum(layer.weights for layer in summary.digital) >= _matrix_entries(model)
    return chip


def _matrix_entries(model: nn.Module) -> int:
    """Entries of all parameters of two or more axes; those that a weight is computed from stand for it elsewhere."""
    holders = (module for module in model.modules() if not isinstance(module, ParametrizationList))
    parameters = {p for module in holders for p in module.parameters(recurse=False) if p.dim() > 1}
    return sum(p.numel() for p in parameters)


def _tensors(output: Any) -> list[torch.Tensor]:
    """What a model gives, in whatever container; the caches of language models are no output of theirs."""
    if hasattr(output, "to_tuple"):
        output = {name: value for name, value in output.items() if name != "past_key_values"}
    leaves = tree_flatten(dict(output) if isinstance(output, dict) else output)[0]
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]


def _assert_close(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
