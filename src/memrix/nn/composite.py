"""Layers of torch that hold several matrices and multiply by them without calling anything: opened into their parts.

An opened layer does what it did before, through linear layers that are views of its own parameters: keys of its
``state_dict``, optimizers and references stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from memrix.nn.graphs import one_node
from memrix.nn.shown import under_its_class


class Rows(NamedTuple):
    """Rows of a parameter of a module, all by default.

    Attributes:
        parameter: its name.
        start: the first row.
        stop: the row after the last.
        entry: which one of its first axis is meant, where it holds a stack of matrices or biases.
        transposed: whether outputs are on the last axis of the parameter.
    """

    parameter: str
    start: int = 0
    stop: int | None = None
    entry: int | None = None
    transposed: bool = False

    def of(self, owner: nn.Module) -> Tensor:
        """A view ``[outputs, inputs]`` or ``[outputs]``, through which gradients reach the parameter."""
        parameter: Tensor = getattr(owner, self.parameter)
        matrix = parameter if self.entry is None else parameter[self.entry]
        rows = matrix[self.start : self.stop]
        return rows.t() if self.transposed else rows


class Projection(nn.Linear):
    """Rows of a parameter of another module, as a linear layer without parameters of its own.

    Args:
        owner: the module that holds the parameters.
        weight: rows of its matrix.
        bias: of its bias, or None.
    """

    def __init__(self, owner: nn.Module, weight: Rows, bias: Rows | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.of(owner).shape
        # In a tuple, lest the owner become a child of its own child.
        self._owner = (owner,)
        self._rows = (weight, bias)

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """``[outputs, inputs]``."""
        return self._rows[0].of(self._owner[0])

    @property
    def bias(self) -> Tensor | None:  # type: ignore[override]
        """``[outputs]``, or None."""
        rows = self._rows[1]
        return None if rows is None else rows.of(self._owner[0])

    @property
    def parameter(self) -> nn.Parameter | None:
        """What the weight is rows of; None where another computation makes it."""
        return self._owner[0]._parameters.get(self._rows[0].parameter)

    @property
    def identity(self) -> tuple[int, Rows]:
        """Equal for two projections where they are of the same weights."""
        return id(self.parameter), self._rows[0]


Parts = Mapping[str, nn.Module]


class OpenedLayer(nn.Module):
    """A composite layer that calls its parts. Mixed into the torch layer, whose forward it replaces."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "forward" in vars(cls):
            cls.forward = one_node(vars(cls)["forward"])

    @classmethod
    def adopt(cls, layer: nn.Module, parts: Parts) -> None:
        """Open a layer in place."""
        layer.__class__ = _opened(cls, type(layer))
        for name, part in parts.items():
            *path, last = name.split(".")
            holder: nn.Module = layer
            for step in path:
                if step not in holder._modules:
                    holder.add_module(step, nn.ModuleDict())
                holder = holder.get_submodule(step)
            holder._modules.pop(last, None)  # one that it had takes its place among the others
            holder.add_module(last, part)

    def __repr__(self) -> str:
        return under_its_class(self, super().__repr__())

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A class that was made at run time cannot be found by its name.
        made = next(key for key, kind in _OPENED.items() if kind is type(self))
        return _blank, made, self.__getstate__()  # type: ignore[no-untyped-call]


def _blank(mixin: type[OpenedLayer], layer: type[nn.Module]) -> nn.Module:
    return object.__new__(_opened(mixin, layer))


_OPENED: dict[tuple[type[OpenedLayer], type[nn.Module]], type[nn.Module]] = {}


def _opened(mixin: type[OpenedLayer], layer: type[nn.Module]) -> type[nn.Module]:
    key = (mixin, layer)
    if key not in _OPENED:
        _OPENED[key] = type(f"Opened{layer.__name__}", key, {"__doc__": mixin.__doc__})
    return _OPENED[key]


def no_objection(module: nn.Module) -> str | None:
    """None, of every layer."""
    return None


@dataclass(frozen=True)
class Composite:
    """How one composite layer type, or a family of them, is opened.

    Attributes:
        layer: the torch layer, or the full name of its class where its library is not to be imported.
        opened: its counterpart that calls its parts.
        parts: gives the parts of a layer, by the names that they are to have in it, without changing it; a dot
            groups parts, as in ``"0.down"``.
        recognizes: which classes are meant, where these are a family of many: ``layer`` is then its name.
        objection: why a certain layer cannot be opened, or None.
    """

    layer: type[nn.Module] | str
    opened: type[OpenedLayer]
    parts: Callable[[nn.Module], Parts]
    recognizes: Callable[[type[nn.Module]], bool] | None = None
    objection: Callable[[nn.Module], str | None] = no_objection


@dataclass(frozen=True, eq=False)
class Unopened:
    """A composite layer of a model that is still to be opened, with the parts that it will have."""

    module: nn.Module
    composite: Composite
    parts: Parts

    def open_(self) -> None:
        """Open the layer in place; once is enough."""
        if not isinstance(self.module, OpenedLayer):
            self.composite.opened.adopt(self.module, self.parts)
