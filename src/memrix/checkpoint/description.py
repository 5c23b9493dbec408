"""The description of a chip: its layers, their hardware and devices, and the modules around them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, TypedDict

from torch import Tensor, nn

from memrix._support.renamed import formerly
from memrix._support.schema import Between, read
from memrix._support.stored_seeds import known_streams
from memrix._support.streams import STREAM_VERSION
from memrix._support.validation import is_integer, shown
from memrix.crossbar import AsProgrammed, Crossbar, WordLines
from memrix.device.parameter_files import format_parameters
from memrix.hardware import Hardware
from memrix.model.inventory import ruling
from memrix.nn.composite import DecomposedLayer
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.keys import ARRAY, STATE, moved_name
from memrix.nn.layer_record import LayerRecord
from memrix.nn.programmed import ProgrammedArray
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.registry import Handler, handler_of
from memrix.nn.state import LayerState
from memrix.quantization import Quantization

FORMAT = 4  # of descriptions
"""3 had no ``streams``; 2 had ``opened`` for ``decomposed``, and no ``digital``; 1 had no ``not_finite``, ``types``
and ``format``.
"""


@dataclass(frozen=True)
class LayerDescription:
    """One layer on crossbars, or a fake-quantized one that is left in a chip.

    Attributes:
        kind: the torch layer that it replaces.
        name: by which its random streams are derived.
        hardware: it was made for.
        record: of a layer on crossbars.
        device: position of its device parameters in those of the chip.
        quantization: how it was trained.
        parameters: that it holds itself.
        buffers: that it holds itself and that are part of its state.
    """

    kind: str
    name: str
    hardware: Hardware
    record: LayerRecord | None
    device: int | None
    quantization: Quantization | None
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and tables."""
        record = None if self.record is None else self.record.to_dict()
        return {**asdict(self), "hardware": self.hardware.to_dict(), "record": record}


class ModuleDescription(TypedDict):
    """Class and settings of a module, as far as torch knows them."""

    type: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class ChipDescription:
    """A chip, but for its tensors.

    Attributes:
        version: of the memrix that wrote it.
        layers: by their paths in the model.
        devices: texts of the device parameters of the layers, as in their files, which may be gone.
        modules: class and settings of every module, as far as torch knows them, by path.
        decomposed: paths of composite layers that call their submodules.
        not_finite: names of parameters and buffers that held NaN or infinite values when the chip was saved.
        digital: paths of layers that a calibration left digital, and why.
        types: of the tensors of the file, by name, such as ``float32``.
        streams: version of the random streams, by which its seeds mean numbers.
        format: of the description. One of the present format has every field; an older one may lack those that are
            newer, which then have their defaults.
    """

    version: str
    layers: dict[str, LayerDescription]
    devices: tuple[str, ...]
    modules: dict[str, ModuleDescription]
    decomposed: tuple[str, ...] = field(metadata=formerly("opened"))
    not_finite: tuple[str, ...] = ()
    digital: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    streams: Annotated[int, Between(1, STREAM_VERSION)] = 1
    format: Annotated[int, Between(1, FORMAT)] = 1

    @property
    def on_chip(self) -> bool:
        """Whether a layer runs on crossbars."""
        return any(layer.record is not None for layer in self.layers.values())

    @property
    def says_of_tensors(self) -> bool:
        """Whether it says of every tensor of its file what type it is of, and whether it is finite."""
        return self.format > 1

    @classmethod
    def of(cls, chip: nn.Module, version: str) -> ChipDescription:
        """The description of a chip, without what is said of its tensors."""
        devices: list[str] = []
        layers = {}
        for path, module in chip.named_modules():
            if isinstance(module, QuantizedLayer):
                device = None
                if isinstance(module, CrossbarLayer):
                    text = format_parameters(module.memrix.programmed.crossbar.cell_parameters)
                    if text not in devices:
                        devices.append(text)
                    device = devices.index(text)
                layers[path] = _describe(module, device)
        modules, decomposed = describe_modules(chip), decomposed_layers(chip)
        return cls(
            version,
            layers,
            tuple(devices),
            modules,
            decomposed,
            digital=digital_rulings(chip),
            streams=STREAM_VERSION,
            format=FORMAT,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and tables."""
        return {**vars(self), "layers": {path: layer.to_dict() for path, layer in self.layers.items()}}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> ChipDescription:
        """The opposite of ``to_dict``.

        Raises:
            ValueError: the description or its random streams are of a newer memrix; or every field that is missing,
                unknown or wrong.
        """
        format = plain.get("format", 1)
        if is_integer(format) and format > FORMAT:
            raise ValueError(f"it is of format {shown(format)}, and formats up to {FORMAT} are read; upgrade memrix")
        known_streams(plain.get("streams", 1))
        return read(cls, plain, complete=format == FORMAT)


def describe_modules(model: nn.Module) -> dict[str, ModuleDescription]:
    """``type`` (the torch class that it is derived from) and ``settings`` of every module, by path."""
    return {
        path: {"type": (known := _torch_class(module)).__name__, "settings": _settings(module, known)}
        for path, module in model.named_modules()
        if not isinstance(module, (AsProgrammed, Crossbar, LayerState, ProgrammedArray, WordLines))
    }


def digital_rulings(model: nn.Module) -> dict[str, str]:
    """Paths of the layers that a calibration left digital, and why."""
    rulings = {path: ruling(module) for path, module in model.named_modules()}
    return {path: reason for path, reason in rulings.items() if reason is not None}


def decomposed_layers(model: nn.Module) -> tuple[str, ...]:
    """Paths of the composite layers that call their submodules."""
    return tuple(path for path, module in model.named_modules() if isinstance(module, DecomposedLayer))


def _describe(module: QuantizedLayer, device: int | None) -> LayerDescription:
    handler = handler_of(module)
    state = module.memrix
    return LayerDescription(
        kind=handler.kind if isinstance(handler, Handler) else type(module).__name__,
        name=state.name,
        hardware=state.chip,
        record=None if state.array is None else state.array.record,
        device=device,
        quantization=state.quantization,
        parameters=(*_own(module._parameters), *_own(state._parameters, f"{STATE}.")),
        buffers=_persistent_buffers(module),
    )


def _own(tensors: Mapping[str, Tensor | None], prefix: str = "") -> tuple[str, ...]:
    return tuple(prefix + name for name, value in tensors.items() if value is not None)


def _persistent_buffers(layer: QuantizedLayer) -> tuple[str, ...]:
    """Names of the buffers of a layer, of its state and of its array that are part of a ``state_dict``."""
    owners = {"": layer, f"{STATE}.": layer.memrix, f"{ARRAY}.": layer.memrix.array}
    return tuple(
        name
        for prefix, owner in owners.items()
        if owner is not None
        for name in _own(
            {n: value for n, value in owner._buffers.items() if n not in owner._non_persistent_buffers_set}, prefix
        )
    )


def _torch_class(module: nn.Module) -> type[nn.Module]:
    return next(kind for kind in type(module).__mro__ if kind.__module__.startswith("torch."))


def _settings(module: nn.Module, known: type[nn.Module]) -> dict[str, Any]:
    """Those that torch lists for a class and that JSON can hold, such as the stride of a convolution."""
    settings = {}
    for name in getattr(known, "__constants__", ()):
        value = getattr(module, name, None)
        if name != "inplace" and isinstance(value, (bool, int, float, str, tuple)):
            settings[name] = value
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain


def in_present_places(
    tensors: dict[str, Tensor], description: ChipDescription
) -> tuple[dict[str, Tensor], ChipDescription]:
    """Present names for a chip from an old file, in which tensors were attributes of the layers themselves."""
    if description.format > 1:
        return tensors, description
    moved: dict[str, str] = {}
    layers = {}
    for path, layer in description.layers.items():
        prefix = f"{path}." if path else ""
        own = (*layer.parameters, *layer.buffers, "crossbar.difference", "crossbar.total")
        moved |= {prefix + name: prefix + moved_name(name) for name in own}
        parameters, buffers = (tuple(map(moved_name, names)) for names in (layer.parameters, layer.buffers))
        layers[path] = replace(layer, parameters=parameters, buffers=buffers)
    return {moved.get(key, key): value for key, value in tensors.items()}, replace(description, layers=layers)
