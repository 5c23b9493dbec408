"""A chip that runs layers of the model that it was made from is half a chip: its first call is watched for that."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils.hooks import RemovableHandle

from memrix._support.tables import listed
from memrix._support.transforms import recording
from memrix.errors import CoverageWarning
from memrix.nn.composite import DecomposedLayer
from memrix.nn.crossbar_layer import CrossbarLayer


class Originals:
    """Hooks of a chip that see which layers of its model are called within the first call of the chip, and then go.

    A table of functions in a class or a module, which no copy reaches, may lead from the chip to its model. Pickled
    and copied chips are not watched: they know nothing of that model.

    Args:
        names: of the layers of the model that were programmed, which are held weakly.
    """

    def __init__(self, names: Mapping[nn.Module, str] | None = None) -> None:
        self._names = WeakKeyDictionary(names or {})
        self._called: dict[str, None] = {}  # each once, in order
        self._hook: RemovableHandle | None = None
        self._thread: int | None = None

    @classmethod
    def watch(cls, chip: nn.Module, model: nn.Module, copies: Mapping[int, Any]) -> None:
        """Watch the first call of a chip; ``copies``: of the objects of its model, by ``id``."""
        programmed = (CrossbarLayer, DecomposedLayer)
        names = {
            layer: name for name, layer in model.named_modules() if isinstance(copies.get(id(layer)), programmed)
        }
        if names and not isinstance(chip, CrossbarLayer):
            originals = cls(names)
            chip.register_forward_pre_hook(originals.begin)
            chip.register_forward_hook(originals.end, always_call=True)

    @classmethod
    def dismiss(cls, chip: nn.Module) -> None:
        """Watch a chip no longer."""
        for hooks in (chip._forward_pre_hooks, chip._forward_hooks):
            for key, hook in list(hooks.items()):
                if isinstance(getattr(hook, "__self__", None), cls):
                    del hooks[key]
                    chip._forward_hooks_always_called.pop(key, None)

    def begin(self, chip: nn.Module, inputs: object) -> None:
        """Look at every module that is called from now on in this thread."""
        if recording() or self._hook is not None:
            return
        self._thread = threading.get_ident()
        self._hook = register_module_forward_pre_hook(self._see)

    def end(self, chip: nn.Module, inputs: object, output: object) -> None:
        """Tell what was seen, and watch no longer; called after a call that has failed, too."""
        if self._hook is None or threading.get_ident() != self._thread:
            return
        self._hook.remove()
        self._hook = None
        self.dismiss(chip)
        if self._called and output is not None:  # of a call that has failed the error says more
            warnings.warn(
                f"the chip called layers of the model that it was made from, which run without cells: "
                f"{listed(list(self._called))}; a function outside of the model leads there, such as one in a table "
                f"of its class: program the model itself, with memrix.program(model, hardware, inplace=True), or let "
                f"its forward call its own layers",
                CoverageWarning,
                stacklevel=3,
            )

    def _see(self, module: nn.Module, inputs: object) -> None:
        name = self._names.get(module)
        if name is not None and threading.get_ident() == self._thread:
            self._called[name] = None

    def __reduce__(self) -> tuple[type[Originals], tuple[()]]:
        return Originals, ()
