"""Composite layers: torch layers that hold several matrices, decomposed into one submodule for each matrix.

``nn.MultiheadAttention`` or ``nn.LSTM`` multiply by their parameters without calling a module. A decomposed layer
computes the same through linear layers that are views of its own parameters. The keys of its ``state_dict``,
optimizers and references are unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor, nn

from memrix._support.renamed import formerly, with_former_names
from memrix.nn.adoption import AdoptedLayer, adopt, give_back
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
        return self.within(getattr(owner, self.parameter))

    def within(self, parameter: Tensor) -> Tensor:
        """The same view of a tensor like the parameter."""
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

    def place_of(self, name: str) -> tuple[nn.Module, str]:
        """The module and the name of the parameter that ``"weight"`` or ``"bias"`` is rows of.

        Raises:
            AttributeError: the projection has no bias.
        """
        rows = self._rows[1] if name == "bias" else self._rows[0]
        if rows is None:
            raise AttributeError(f"this projection has no {name}")
        return self._owner[0], rows.parameter

    @property
    def rows(self) -> Rows:
        """Which rows the weight is."""
        return self._rows[0]

    @property
    def identity(self) -> tuple[int, Rows]:
        """Equal for two projections where they are of the same weights."""
        return id(self.parameter), self._rows[0]


Submodules = Mapping[str, nn.Module]


class DecomposedLayer(AdoptedLayer, prefix="Decomposed"):
    """A composite layer that calls its submodules. Mixed into the torch layer, whose forward it replaces."""

    def __init_subclass__(cls, **others: Any) -> None:
        super().__init_subclass__(**others)
        if "forward" in vars(cls):
            cls.forward = one_node(vars(cls)["forward"])

    @classmethod
    def adopt(cls, layer: nn.Module, submodules: Submodules) -> None:
        """Decompose a layer in place.

        Args:
            layer: of torch, whose class this one is mixed into.
            submodules: by name; a dot in a name groups submodules.
        """
        adopt(layer, cls)
        for name, submodule in submodules.items():
            *path, last = name.split(".")
            holder: nn.Module = layer
            for step in path:
                if step not in holder._modules:
                    holder.add_module(step, nn.ModuleDict())
                holder = holder.get_submodule(step)
            holder._modules.pop(last, None)  # one that it had takes its place among the others
            holder.add_module(last, submodule)

    def recompose_(self) -> None:
        """Be the torch layer again, in place: the inverse of ``adopt``, once no submodule is quantized any more."""
        give_back(self)
        _drop_projections(self)

    def __repr__(self) -> str:
        return under_its_class(self, super().__repr__())


def _drop_projections(module: nn.Module) -> None:
    """Take away projections, and the containers that held nothing else."""
    for name, child in list(module._modules.items()):
        if isinstance(child, nn.ModuleDict) and any(isinstance(each, Projection) for each in child.modules()):
            _drop_projections(child)
            if not len(child):
                del module._modules[name]
        elif isinstance(child, Projection):
            del module._modules[name]


def no_objection(module: nn.Module) -> str | None:
    """None, of every layer."""
    return None


@with_former_names
@dataclass(frozen=True)
class Composite:
    """How a composite layer type, or a family of such types, is decomposed.

    Attributes:
        layer: the torch layer, or the full name of its class where its library is not to be imported.
        decomposed: the counterpart whose ``forward`` calls the submodules.
        submodules: gives the submodules of a layer by name, without changing the layer; a dot in a name groups
            submodules, as in ``"0.down"``.
        recognizes: which classes are meant, where these are a family of many: ``layer`` is then its name.
        objection: why this layer cannot be decomposed, or None.
    """

    layer: type[nn.Module] | str
    decomposed: type[DecomposedLayer] = field(metadata=formerly("opened"))
    submodules: Callable[[nn.Module], Submodules] = field(metadata=formerly("parts"))
    recognizes: Callable[[type[nn.Module]], bool] | None = None
    objection: Callable[[nn.Module], str | None] = no_objection


@dataclass(frozen=True, eq=False)
class PendingDecomposition:
    """A composite layer that is not decomposed yet, with the submodules that it will have."""

    module: nn.Module
    composite: Composite
    submodules: Submodules

    def decompose_(self) -> None:
        """Decompose the layer in place; a second call does nothing."""
        if not isinstance(self.module, DecomposedLayer):
            self.composite.decomposed.adopt(self.module, self.submodules)
