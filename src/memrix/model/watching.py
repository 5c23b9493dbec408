"""What a model does with the weights of its layers while it runs: calls of layers, and reads past them."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from memrix._support.torch_internals import DispatchMode, compiler_is_imported, tree_leaves


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Run modules as they are written: compiled code calls none."""
    if not compiler_is_imported():  # nothing is compiled then, and the compiler takes seconds to import
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


@dataclass
class Use:
    """What became of one layer.

    Attributes:
        called: whether it was.
        readers: modules that computed with its weight outside of its calls.
    """

    called: bool = False
    readers: dict[str, None] = field(default_factory=dict)

    @property
    def objection(self) -> str | None:
        """Why cells in its place would not be read, or not everywhere; None where they would."""
        if not self.readers:
            return None
        readers = ", ".join(self.readers)
        if self.called:
            return f"its weight is also read outside of its calls, by {readers}, which would not see the cells"
        return f"its weight is read by {readers} and the layer is never called, so its cells would not be read"


class Watch(DispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation on tensors, and who runs it, between entering and leaving.

    Args:
        model: whose modules are known by their names.
        layers: that are watched, by name. A submodule of a layer that is not decomposed yet stands for the
            layer itself.
        owners: of such submodules, by their names.
    """

    supports_higher_order_operators = True

    def __init__(
        self, model: nn.Module, layers: Mapping[str, nn.Module], owners: Mapping[str, nn.Module] | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.uses = {name: Use() for name in layers}
        self._names = {module: name for name, module in model.named_modules()}
        self._stack: list[nn.Module] = []
        self._thread = threading.get_ident()
        standing_for = {name: (owners or {}).get(name, layer) for name, layer in layers.items()}
        self._layers: dict[nn.Module, list[str]] = {}
        for name, module in standing_for.items():
            self._layers.setdefault(module, []).append(name)
        spans = {name: span for name, layer in layers.items() if (span := _weight_span(layer)) is not None}
        self._spans = sorted((end, start, name) for name, (start, end) in spans.items())
        self._ends = [end for end, _, _ in self._spans]
        distinct = sorted(set(spans.values()))
        # Of spans that do not overlap, the search can stop at the first beyond.
        self._apart = all(one[1] <= next_one[0] for one, next_one in pairwise(distinct))
        self._holders = {name: {module} for name, module in standing_for.items()}
        for module in self._names:
            for parameter in module._parameters.values():
                if parameter is not None and (span := _span(parameter)) is not None:
                    for name in self._overlapping(span):
                        if spans[name] == span:
                            self._holders[name].add(module)  # a layer that is tied to it

    @property
    def objections(self) -> dict[str, str]:
        """The layers that cells would not stand for everywhere, and why."""
        return {name: objection for name, use in self.uses.items() if (objection := use.objection) is not None}

    def note_calls(self, names: Iterable[str]) -> None:
        """Take in that layers were called at some other time."""
        for name in names:
            self.uses[name].called = True

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See what happens inside."""
        hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        try:
            with _uncompiled(), self:
                yield
        finally:
            for hook in hooks:
                hook.remove()
            self._stack.clear()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled inside of `watching`, and to skip the compiler torch would import it.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Run an operation, and note whose weights it reads."""
        kwargs = kwargs or {}
        if self._spans and not _reads_nothing(func):
            for tensor in tree_leaves((args, kwargs)):
                if isinstance(tensor, Tensor) and (span := _span(tensor)) is not None:
                    self._note(span)
        return func(*args, **kwargs)

    def _note(self, span: tuple[int, int]) -> None:
        for name in self._overlapping(span):
            if self._holders[name].isdisjoint(self._stack):
                self.uses[name].readers[self._reader()] = None

    def _reader(self) -> str:
        if not self._stack:
            return "the code around the model"
        reader = self._stack[-1]
        return f"{type(reader).__name__} {self._names[reader] or '(the model)'!r}"

    def _overlapping(self, span: tuple[int, int]) -> Iterator[str]:
        start, end = span
        for at in range(bisect_left(self._ends, start + 1), len(self._spans)):
            _, first, name = self._spans[at]
            if first < end:
                yield name
            elif self._apart:
                return

    def _enter(self, module: nn.Module, inputs: Any) -> None:  # noqa: ANN401
        if module in self._names and threading.get_ident() == self._thread:
            self._stack.append(module)
            for name in self._layers.get(module, ()):
                self.uses[name].called = True

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401
        if self._stack and self._stack[-1] is module and threading.get_ident() == self._thread:
            self._stack.pop()


def _weight_span(layer: nn.Module) -> tuple[int, int] | None:
    weight = getattr(layer, "weight", None)
    return _span(weight) if isinstance(weight, Tensor) else None


def _reads_nothing(func: Any) -> bool:  # noqa: ANN401
    """Whether an operation makes a view, or asks a tensor for its type and shape alone."""
    packet = getattr(func, "overloadpacket", None)
    if packet is None:
        return False  # an operator of operators
    name: str = packet.__name__
    return func.is_view or name.endswith("_like") or name.startswith(("new_", "sym_", "is_"))


def _span(tensor: Tensor) -> tuple[int, int] | None:
    """First byte of a tensor's values and the one after the last; None where it has no memory of its own."""
    if tensor.layout is not torch.strided or tensor.is_meta or not tensor.numel():
        return None
    try:
        start = tensor.data_ptr()
    except RuntimeError:
        return None  # a tensor that wraps others
    if not start:
        return None
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + (last + 1) * tensor.element_size()
