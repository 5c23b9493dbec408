"""The candidate layers of a model: how each can be mapped, or why it cannot."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from memrix._support.schema import THE_MODEL
from memrix._support.torch_internals import normalizations
from memrix.errors import ConversionError
from memrix.model.code_reads import CodeReader
from memrix.model.held_weights import packed_weights, parameters_of, unregistered, unregistered_modules
from memrix.nn.composite import DecomposedLayer, PendingDecomposition
from memrix.nn.registry import Handler, handler_of, is_known, submodules_of, without_counterpart

# Their parameters multiply no vector: there is nothing to map.
NO_PRODUCT = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, *normalizations())


_RULING = "_memrix_stays_digital"  # attribute of a layer, which goes with its copies


@dataclass
class Candidate:
    """A candidate layer: a module, or a submodule of a composite layer, that holds a weight of two or more axes.

    Attributes:
        module: the layer.
        names: it goes by.
        tensors: its weights, biases aside.
        owner: the composite layer that has to be decomposed before the layer is part of the model.
        obstacle: why it cannot be mapped, known from its owner or from how its weights are held.
        certain: whether its tensors are weights for certain; a buffer may be anything.
        may_be_read_by: the class of a module whose code reads its weight as well as calling it.
    """

    module: nn.Module
    names: list[str] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    owner: PendingDecomposition | None = None
    obstacle: str | None = None
    certain: bool = True
    may_be_read_by: str | None = None

    @property
    def name(self) -> str:
        """What it is called, also when the model itself is the layer."""
        return self.names[0] or THE_MODEL

    @property
    def weights(self) -> int:
        """How many weights it holds, those of its bias aside."""
        return sum(weight.numel() for weight in self.tensors)

    @property
    def multiplies(self) -> bool:
        """Whether it is of a kind that multiplies vectors by a matrix, so that a chip is expected to hold it."""
        return self.certain and not isinstance(self.module, NO_PRODUCT)

    @property
    def handler(self) -> Handler | str:
        """How it is mapped, or why it cannot be."""
        return self.obstacle or handler_of(self.module)

    @property
    def ruling(self) -> str | None:
        """Why an earlier calibration left it digital, or None."""
        return ruling(self.module)


def ruling(module: nn.Module) -> str | None:
    """Why an earlier calibration left a layer digital, or None."""
    return module.__dict__.get(_RULING)


def rule(module: nn.Module, reason: str | None) -> None:
    """Have a layer stay digital in every verb from now on, or no longer."""
    module.__dict__.pop(_RULING, None)
    if reason is not None:
        module.__dict__[_RULING] = reason


def require_module(model: object) -> None:
    """Raise ConversionError unless a model is a torch module, and a tree of them."""
    if not isinstance(model, nn.Module):
        raise ConversionError(f"expected a torch.nn.Module, got {type(model).__name__}")
    circle = _circle(model, "", {})
    if circle is not None:
        raise ConversionError(
            f"{circle!r} is the module that holds it, and torch too would walk in circles; keep the reference in a "
            f"list, which registers no child: self.{circle.rpartition('.')[2]} = [module]"
        )


def _circle(module: nn.Module, name: str, above: dict[nn.Module, bool]) -> str | None:
    """The name of a module that is a child of its own; ``above``: modules seen, and whether they are being walked."""
    above[module] = True
    for key, child in module.named_children():
        child_name = f"{name}.{key}" if name else key
        if above.get(child):
            return child_name
        found = None if child in above else _circle(child, child_name, above)
        if found is not None:
            return found
    above[module] = False
    return None


def candidate_layers(model: nn.Module) -> list[Candidate]:
    """Modules that hold a weight of two or more axes themselves, with every name they go by.

    Of a composite layer, such as ``nn.MultiheadAttention``, these are the submodules that decomposition gives it. A
    weight may be held as a parameter, as a buffer, as a plain tensor or packed by torch, and a layer in a plain list.

    Raises:
        ConversionError: the model is not a module, or a layer has no weights yet.
    """
    require_module(model)
    return _Inventory(model).layers


class _Inventory:
    """The layers of a model in its order, as they are found."""

    def __init__(self, model: nn.Module) -> None:
        self._found: dict[nn.Module, Candidate] = {}
        self._owners: dict[nn.Module, PendingDecomposition] = {}
        self._modules = set(model.modules())
        self._registered = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
        for name, module in model.named_modules(remove_duplicate=False):
            self._take(name, module)
        self._look_at_code(model)

    @property
    def layers(self) -> list[Candidate]:
        """Those with weights."""
        return list(self._found.values())

    def _take(self, name: str, module: nn.Module) -> None:
        """Enter a module of the model, or its submodules."""
        if isinstance(module, (parametrize.ParametrizationList, DecomposedLayer)):
            return  # its owner, or its submodules, are the layers
        if any(isinstance(p, UninitializedParameter) for p in module.parameters(recurse=False)):
            raise ConversionError(f"layer {name!r} has no weights yet (lazy module); run the model once first")
        composite = submodules_of(module)
        if isinstance(composite, str):
            self._add(Candidate(module, [name], _weights_of(module, self._registered), obstacle=composite))
            self._add_all(name, module, f"its owner {name!r}: {composite}", skip=module)
        elif composite is not None:
            owner = self._owners.setdefault(module, PendingDecomposition(module, *composite))
            for submodule_name, submodule in owner.submodules.items():
                self._add(
                    Candidate(
                        submodule, [_join(name, submodule_name)], _weights_of(submodule, self._registered), owner
                    )
                )
        else:
            self._add(_described(name, module, self._registered))
        for held_as, hidden in unregistered_modules(module).items():
            if hidden not in self._modules:
                self._add_all(
                    _join(name, held_as),
                    hidden,
                    f"{held_as} is in a plain container or object, of which torch knows nothing; use nn.ModuleList, "
                    f"nn.ModuleDict or an attribute of the module",
                )

    def _look_at_code(self, model: nn.Module) -> None:
        """Tell the layers whose weight the code of their owner reads, from those that it calls."""
        reader = CodeReader(model.modules())
        owners = dict(model.named_modules(remove_duplicate=False))
        for layer in self._found.values():
            if layer.owner is not None or layer.obstacle is not None:
                continue
            held = [(owners.get(path), child) for path, _, child in (name.rpartition(".") for name in layer.names)]
            readers = [owner for owner, child in held if owner is not None and child in reader.reads(owner).instead]
            if len(readers) == len(held):
                layer.obstacle = f"{type(readers[0]).__name__} reads its weight instead of calling it"
            besides = [owner for owner, child in held if owner is not None and child in reader.reads(owner).besides]
            layer.may_be_read_by = type(besides[0]).__name__ if besides else None

    def _add_all(self, name: str, module: nn.Module, obstacle: str, skip: nn.Module | None = None) -> None:
        """Enter what is inside of a module and cannot be mapped because of it."""
        for child_name, child in module.named_modules():
            if child is skip or isinstance(child, parametrize.ParametrizationList):
                continue
            if (found := _described(_join(name, child_name), child, self._registered)) is not None:
                found.obstacle = obstacle
                self._add(found)

    def _add(self, layer: Candidate | None) -> None:
        if layer is None:
            return
        entry = self._found.setdefault(layer.module, layer)
        entry.names += [name for name in layer.names if name not in entry.names]


def _described(name: str, module: nn.Module, registered: Collection[int]) -> Candidate | None:
    """The candidate that a module is, if it is not a composite; None if it has no weight."""
    if packed := packed_weights(module):
        obstacle = (
            f"torch has quantized this {type(module).__name__} and packed its integers; start from the float model"
        )
        return Candidate(module, [name], packed, obstacle=obstacle)
    weights, known = parameters_of(module), is_known(module)
    if known and not weights and isinstance(weight := getattr(module, "weight", None), Tensor):
        return Candidate(module, [name], [weight])
    others = {} if known or isinstance(module, NO_PRODUCT) else unregistered(module, registered)
    if not (weights or others):
        return None
    reason = without_counterpart(type(module), [*weights, *others])
    return Candidate(
        module,
        [name],
        [*weights.values(), *others.values()],
        obstacle=reason if others else None,
        certain=bool(weights),
    )


def _weights_of(module: nn.Module, registered: Collection[int]) -> list[Tensor]:
    """Parameters, or what is held in their place."""
    return list((parameters_of(module) or unregistered(module, registered)).values())


def _join(owner: str, name: str) -> str:
    return f"{owner}.{name}".strip(".")


def digital_reason(layer: Candidate) -> str:
    """Why a candidate layer of a chip is not on a crossbar."""
    handler = layer.handler
    if isinstance(handler, Handler):
        return layer.ruling or handler.on_request or "not selected"
    if layer.multiplies or not layer.certain:
        return handler
    return f"{type(layer.module).__name__} multiplies no vector by a matrix"
