"""Which torch layers can be mapped, and to what: one handler a layer type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.utils import parametrize

from memrix.nn.adoption import torch_type
from memrix.nn.attention import DecomposedAttention, attention_submodules
from memrix.nn.composite import Composite, DecomposedLayer, Projection, Submodules, no_objection
from memrix.nn.conv import ConvolutionGeometry
from memrix.nn.conv_transpose import TransposedConvolutionGeometry
from memrix.nn.embedding import EmbeddingGeometry
from memrix.nn.experts import DecomposedExperts, computes_by_contract, experts_objection, experts_submodules
from memrix.nn.geometry import Geometry
from memrix.nn.keys import STATE
from memrix.nn.linear import LinearGeometry, TransposedLinearGeometry
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.recurrent import DecomposedRecurrent, recurrent_submodules
from memrix.nn.recurrent_cells import DecomposedCell, cell_submodules
from memrix.nn.stacked import (
    DecomposedLlama4Experts,
    DecomposedParallelExperts,
    llama4_submodules,
    parallel_submodules,
)
from memrix.nn.state import state_of
from memrix.nn.usable import unusable_parameters, unusable_tensors


@dataclass(frozen=True)
class Handler:
    """How one torch layer type is mapped.

    Attributes:
        layer: the torch layer, or the full name of its class where its library is not to be imported.
        geometry: how it is a product of vectors and matrices.
        on_request: whether it is mapped only where a pattern or a predicate asks for it; the reason is shown.
        objection: why a certain layer cannot be mapped, or None.
    """

    layer: type[nn.Module] | str
    geometry: Geometry
    on_request: str | None = None
    objection: Callable[[nn.Module], str | None] = no_objection

    @property
    def kind(self) -> str:
        """Name of the torch layer, also for subclasses of it."""
        return self.layer.rpartition(".")[2] if isinstance(self.layer, str) else self.layer.__name__


NO_COUNTERPART = "has no crossbar counterpart"
HOW_TO_ADD = (
    "a layer type of your own can be given one: 'Add your own layer' in the documentation (docs/own-layer.md)"
)

_HANDLERS: dict[type[nn.Module] | str, Handler] = {}
_COMPOSITES: dict[type[nn.Module] | str, Composite] = {}


def register(handler: Handler) -> None:
    """Make a layer type, and its subclasses, known to every function of memrix.

    Args:
        handler: the layer type, and its geometry.
    """
    _HANDLERS[handler.layer] = handler


def register_composite(composite: Composite) -> None:
    """Register a layer type that is decomposed into submodules, each of which is mapped by its own handler.

    Args:
        composite: the layer type, its decomposed counterpart, and its submodules.
    """
    _COMPOSITES[composite.layer] = composite


def registered_layers() -> list[str]:
    """Names of the layer types that can be mapped."""
    known = [*_HANDLERS, *_COMPOSITES]
    return [kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__ for kind in known]


def handler_of(module: nn.Module) -> Handler | str:
    """The handler of a layer, or the reason why there is none."""
    kind = torch_type(type(module))
    if (known := _known(kind)) is not None:
        ancestor, handler = known
        objection = None if isinstance(module, QuantizedLayer) else _objection(module, ancestor)
        return objection or unusable_tensors(module) or handler.objection(module) or handler
    own = [name for name, parameter in module.named_parameters(recurse=False) if parameter.dim() > 1]
    return without_counterpart(kind, own)


def without_counterpart(kind: type[nn.Module], weights: Sequence[str]) -> str:
    """The reason why a layer of a type that memrix does not know is not mapped; ``weights``: their names."""
    return f"{kind.__name__} {NO_COUNTERPART} for its {', '.join(weights) or 'weights'}"


def is_known(module: nn.Module) -> bool:
    """Whether a layer is of a type with a handler, or of a subclass of one, whether or not it can be mapped."""
    return _known(torch_type(type(module))) is not None


def _known(kind: type[nn.Module]) -> tuple[type[nn.Module], Handler] | None:
    for ancestor in kind.__mro__:
        handler = _HANDLERS.get(ancestor) or _HANDLERS.get(_full_name(ancestor))
        if handler is not None:
            return ancestor, handler
    return None


def submodules_of(module: nn.Module) -> tuple[Composite, Submodules] | str | None:
    """How a composite layer is decomposed and its submodules, or why it cannot be; None for any other layer."""
    for ancestor in type(module).__mro__:
        composite = _composite_of(ancestor)
        if composite is not None and not isinstance(module, DecomposedLayer):
            objection = _objection(module, ancestor) or unusable_parameters(module) or composite.objection(module)
            if objection is not None:
                return objection
            submodules = composite.submodules(module)
            return _computed_weight(module, submodules) or (composite, submodules)
    return None


def _composite_of(kind: type[nn.Module]) -> Composite | None:
    named = _COMPOSITES.get(kind) or _COMPOSITES.get(_full_name(kind))
    families = (each for each in _COMPOSITES.values() if each.recognizes is not None and each.recognizes(kind))
    return named or next(families, None)


def _full_name(kind: type[nn.Module]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _objection(module: nn.Module, known: type[nn.Module]) -> str | None:
    """Why a layer, of a known class or of a subclass of it, is not what its class says."""
    name = type(module).__name__
    if hasattr(module, STATE) and state_of(module) is None:
        return f"this {name} already has an attribute {STATE!r}, where memrix keeps its state; rename it"
    if parametrize.is_parametrized(module):
        return f"{name} is parametrized; call torch.nn.utils.parametrize.remove_parametrizations first"
    if "forward" in vars(module):
        return f"the forward of this {name} was replaced on the object itself (hooks of accelerate?); undo that first"
    if isinstance(module, Projection):
        return None
    # A subclass that computes something else must not be taken for its parent.
    for method in ("forward", "_conv_forward", "__call__"):
        if getattr(type(module), method, None) is not getattr(known, method, None):
            return f"{name} overrides {method} of {known.__name__}, so what it computes is not known"
    if _composite_of(known) is None and "weight" not in module._parameters:
        return f"the weight of this {name} is {_held_instead(module)}"
    return None


def _held_instead(module: nn.Module) -> str:
    """How a weight that is not a parameter is stored, and what to do about it."""
    origins = [name for name, p in module.named_parameters(recurse=False) if name.startswith("weight_")]
    if origins:
        return f"no parameter: it is computed from {', '.join(origins)}; remove what computes it first"
    held = "a buffer" if "weight" in module._buffers else "a plain tensor"
    return f"{held}, and memrix maps parameters; set layer.weight = torch.nn.Parameter(layer.weight)"


def _computed_weight(module: nn.Module, submodules: Submodules) -> str | None:
    """Why a composite layer cannot be decomposed whose weights are made by another computation."""
    if all(submodule.parameter is not None for submodule in submodules.values() if isinstance(submodule, Projection)):
        return None
    return (
        f"a weight of this {type(module).__name__} is not a parameter (weight norm?); remove what computes it first"
    )


def _renormalizes(module: nn.Module) -> str | None:
    if getattr(module, "max_norm", None) is None:
        return None
    return f"{type(module).__name__} with max_norm changes its weight at each call, which programmed cells cannot"


for _handler in (
    Handler(nn.Linear, LinearGeometry()),
    *(Handler(kind, ConvolutionGeometry()) for kind in (nn.Conv1d, nn.Conv2d, nn.Conv3d)),
    *(Handler(kind, TransposedConvolutionGeometry()) for kind in (nn.ConvTranspose1d, nn.ConvTranspose2d)),
    Handler("transformers.pytorch_utils.Conv1D", TransposedLinearGeometry()),
    # Its forward writes nn.Linear out, and overrides it.
    Handler("transformers.models.falcon.modeling_falcon.FalconLinear", LinearGeometry()),
    Handler(
        nn.Embedding,
        EmbeddingGeometry(),
        on_request="Embedding looks rows up and multiplies nothing; select it by name to read its rows from a chip",
        objection=_renormalizes,
    ),
):
    register(_handler)

for _composite in (
    Composite(nn.MultiheadAttention, DecomposedAttention, attention_submodules),
    *(Composite(kind, DecomposedRecurrent, recurrent_submodules) for kind in (nn.LSTM, nn.GRU, nn.RNN)),
    *(Composite(kind, DecomposedCell, cell_submodules) for kind in (nn.LSTMCell, nn.GRUCell, nn.RNNCell)),
    Composite(
        "transformers.models.jetmoe.modeling_jetmoe.JetMoeParallelExperts",
        DecomposedParallelExperts,
        parallel_submodules,
    ),
    Composite(
        "transformers.models.llama4.modeling_llama4.Llama4TextExperts", DecomposedLlama4Experts, llama4_submodules
    ),
    Composite(
        "experts of transformers",
        DecomposedExperts,
        experts_submodules,
        recognizes=computes_by_contract,
        objection=experts_objection,
    ),
):
    register_composite(_composite)
