"""What a chip is beside its tensors: its layers, their hardware and devices, and the modules around them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from memrix.crossbar import Crossbar
from memrix.device.parameter_files import format_parameters
from memrix.hardware import Hardware
from memrix.nn.composite import OpenedLayer
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.layer_record import LayerRecord
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.registry import Handler, handler_of
from memrix.quantization import Quantization


@dataclass(frozen=True)
class LayerDescription:
    """One layer on crossbars, or one digital twin that is left in a chip.

    Attributes:
        kind: the torch layer that it took the place of.
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

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> LayerDescription:
        """The opposite of ``to_dict``."""
        record, quantization = plain["record"], plain["quantization"]
        return cls(
            kind=plain["kind"],
            name=plain["name"],
            hardware=Hardware.from_dict(plain["hardware"]),
            record=None if record is None else LayerRecord.from_dict(record),
            device=plain["device"],
            quantization=None if quantization is None else Quantization(**quantization),
            parameters=tuple(plain["parameters"]),
            buffers=tuple(plain["buffers"]),
        )


@dataclass(frozen=True)
class ChipDescription:
    """A chip, but for its tensors.

    Attributes:
        version: of the memrix that wrote it.
        layers: by their paths in the model.
        devices: texts of the device parameters of the layers, as in their files, which may be gone.
        modules: class and settings of every module, as far as torch knows them, by path.
        opened: paths of composite layers that call their parts.
    """

    version: str
    layers: dict[str, LayerDescription]
    devices: tuple[str, ...]
    modules: dict[str, dict[str, Any]]
    opened: tuple[str, ...]

    @classmethod
    def of(cls, chip: nn.Module, version: str) -> ChipDescription:
        """The description of a chip."""
        devices: list[str] = []
        layers = {}
        for path, module in chip.named_modules():
            if isinstance(module, QuantizedLayer):
                device = None
                if isinstance(module, CrossbarLayer):
                    text = format_parameters(module.crossbar.cell_parameters)
                    if text not in devices:
                        devices.append(text)
                    device = devices.index(text)
                layers[path] = _describe(module, device)
        return cls(version, layers, tuple(devices), describe_modules(chip), opened_layers(chip))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and tables."""
        return {**vars(self), "layers": {path: layer.to_dict() for path, layer in self.layers.items()}}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> ChipDescription:
        """The opposite of ``to_dict``.

        Raises:
            KeyError: an entry is missing.
            TypeError: an entry is of another kind.
            HardwareError: a setting is not known, or not valid.
        """
        return cls(
            version=plain["version"],
            layers={path: LayerDescription.from_dict(layer) for path, layer in plain["layers"].items()},
            devices=tuple(plain["devices"]),
            modules=plain["modules"],
            opened=tuple(plain["opened"]),
        )


def kind_of(handler: Handler) -> str:
    """Name of the torch layer that a handler is for, whatever a subclass of it is called."""
    return handler.layer.rpartition(".")[2] if isinstance(handler.layer, str) else handler.layer.__name__


def describe_modules(model: nn.Module) -> dict[str, dict[str, Any]]:
    """``type`` and ``settings`` of every module as torch knows them, whatever a user calls a subclass, by path."""
    return {
        path: {"type": (known := _torch_class(module)).__name__, "settings": _settings(module, known)}
        for path, module in model.named_modules()
        if not isinstance(module, Crossbar)
    }


def opened_layers(model: nn.Module) -> tuple[str, ...]:
    """Paths of the composite layers that call their parts."""
    return tuple(path for path, module in model.named_modules() if isinstance(module, OpenedLayer))


def _describe(module: QuantizedLayer, device: int | None) -> LayerDescription:
    handler = handler_of(module)
    temporary = module._non_persistent_buffers_set
    return LayerDescription(
        kind=kind_of(handler) if isinstance(handler, Handler) else type(module).__name__,
        name=module.name,
        hardware=module.hardware,
        record=module.record if isinstance(module, CrossbarLayer) else None,
        device=device,
        quantization=module.quantization,
        parameters=tuple(name for name, value in module._parameters.items() if value is not None),
        buffers=tuple(n for n, value in module._buffers.items() if value is not None and n not in temporary),
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
