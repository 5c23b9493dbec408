"""Restores a model if an operation on it fails or is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# Children, tensors and hooks of a module. They stay the same objects: handles of hooks know them.
_REGISTRIES = tuple(name for name, value in vars(nn.Module()).items() if isinstance(value, (dict, set)))


@contextmanager
def unchanged_on_failure(model: nn.Module) -> Iterator[None]:
    """Give a model its classes, attributes, children, hooks, parameters and buffers back if the block raises.

    Ctrl-C counts. Values that were written into a tensor in place stay.
    """
    before = [_Module(module) for module in model.modules()]
    try:
        yield
    except BaseException:
        for module in before:
            module.restore()
        raise


@contextmanager
def data_unchanged_on_failure(model: nn.Module) -> Iterator[None]:
    """Let the block work on clones of the parameters' and buffers' data, and take these back if it raises."""
    before: dict[Tensor, Tensor] = {tensor: tensor.data for tensor in (*model.parameters(), *model.buffers())}
    with torch.inference_mode(False):
        try:
            for tensor, data in before.items():
                tensor.data = data.clone()
            yield
        except BaseException:
            for tensor, data in before.items():
                tensor.data = data
            raise


class _Module:
    """What a module consists of."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._class = type(module)
        self._attributes = dict(vars(module))
        # Modules of TorchScript have views in the place of some, which nothing can change.
        held = [registry for name in _REGISTRIES if isinstance(registry := vars(module).get(name), (dict, set))]
        self._contents: list[tuple[Any, Any]] = [(registry, registry.copy()) for registry in held]

    def restore(self) -> None:
        """Make the module what it was."""
        self._module.__class__ = self._class
        attributes = vars(self._module)
        attributes.clear()
        attributes.update(self._attributes)
        for registry, content in self._contents:
            registry.clear()
            registry.update(content)
