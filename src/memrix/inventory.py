"""The weighted layers of a model: how each can be mapped, or why it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from memrix.errors import ConversionError
from memrix.nn.composite import OpenedLayer, Projection, Unopened
from memrix.nn.registry import Handler, handler_of, parts_of

# Their parameters multiply no vector: there is nothing to map.
NO_PRODUCT = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase)


@dataclass
class Weighted:
    """A module that holds a weight of two or more axes, or a part of a composite layer that does.

    Attributes:
        module: the layer.
        names: it goes by.
        owner: the composite layer that has to be opened before the layer is part of the model.
        obstacle: why it cannot be mapped, known from its owner.
    """

    module: nn.Module
    names: list[str] = field(default_factory=list)
    owner: Unopened | None = None
    obstacle: str | None = None

    @property
    def name(self) -> str:
        """What it is called, also when the model itself is the layer."""
        return self.names[0] or "(the model)"

    @property
    def weights(self) -> int:
        """How many weights it holds, those of its bias aside."""
        if isinstance(self.module, Projection):
            return self.module.weight.numel()
        own = [p for p in self.module.parameters(recurse=False) if p.dim() > 1]
        if isinstance(computed := getattr(self.module, "parametrizations", None), nn.ModuleDict):
            own += [getattr(self.module, name) for name in computed]
        return sum(weight.numel() for weight in own)

    @property
    def multiplies(self) -> bool:
        """Whether it is of a kind that multiplies vectors by a matrix, so that a chip is expected to hold it."""
        return not isinstance(self.module, NO_PRODUCT)

    @property
    def handler(self) -> Handler | str:
        """How it is mapped, or why it cannot be."""
        return self.obstacle or handler_of(self.module)


def require_module(model: object) -> None:
    """Raise ConversionError unless a model is a torch module."""
    if not isinstance(model, nn.Module):
        raise ConversionError(f"expected a torch.nn.Module, got {type(model).__name__}")


def weighted_modules(model: nn.Module) -> list[Weighted]:
    """Modules that hold a weight of two or more axes themselves, with every name they go by.

    Of a composite layer, such as ``nn.MultiheadAttention``, these are the parts that it will have once opened.

    Raises:
        ConversionError: the model is no module, or a layer has no weights yet.
    """
    require_module(model)
    found: dict[nn.Module, Weighted] = {}
    parts_by_owner: dict[nn.Module, Unopened] = {}

    def add(module: nn.Module, name: str, owner: Unopened | None = None, obstacle: str | None = None) -> None:
        entry = found.setdefault(module, Weighted(module, [], owner, obstacle))
        if name not in entry.names:
            entry.names.append(name)

    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, (parametrize.ParametrizationList, OpenedLayer)):
            continue  # its owner, or its parts, are the layers
        if any(isinstance(p, UninitializedParameter) for p in module.parameters(recurse=False)):
            raise ConversionError(f"layer {name!r} has no weights yet (lazy module); run the model once first")
        composite = parts_of(module)
        if isinstance(composite, str):
            add(module, name, obstacle=composite)
            for child_name, child in module.named_modules():
                if child is not module and _holds_weight(child):
                    add(child, f"{name}.{child_name}".lstrip("."), obstacle=f"its owner {name!r}: {composite}")
        elif composite is not None:
            kind, parts = composite
            owner = parts_by_owner.setdefault(module, Unopened(module, kind, parts))
            for part_name, part in owner.parts.items():
                add(part, f"{name}.{part_name}".lstrip("."), owner=owner)
        elif _holds_weight(module):
            add(module, name)
    return list(found.values())


def _holds_weight(module: nn.Module) -> bool:
    own = any(p.dim() > 1 for p in module.parameters(recurse=False))
    return own or isinstance(module, Projection) or parametrize.is_parametrized(module)


def digital_reason(layer: Weighted) -> str:
    """Why a weighted module of a chip is not on a crossbar."""
    handler = layer.handler
    if isinstance(handler, Handler):
        return handler.on_request or "not selected"
    return handler if layer.multiplies else f"{type(layer.module).__name__} multiplies no vector by a matrix"
