"""How a model differs from the chip of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

import torch
from torch import Tensor, nn

from memrix._support.schema import THE_MODEL
from memrix._support.validation import shown
from memrix.checkpoint.description import ChipDescription, decomposed_layers, describe_modules
from memrix.crossbar.word_lines import ARRIVING, FORMER, STORED
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.keys import ARRAY, RECORD
from memrix.nn.quantized import QuantizedLayer

CELLS = (f"{ARRAY}.crossbar.difference", f"{ARRAY}.crossbar.total")
# As programmed, where the others are not.
AS_PROGRAMMED = tuple(f"{ARRAY}.crossbar.as_programmed.{name}" for name in ("difference", "total"))
LINE_STATES = f"{ARRAY}.crossbar.line_states"  # where the cells do not tell what drivers see of them
# By their names: where readings switch cells.
WORD_LINES = {name: f"{ARRAY}.crossbar.word_lines.{name}" for name in (*STORED, *FORMER, *ARRIVING)}
_OF_CELLS = (*CELLS, *AS_PROGRAMMED, LINE_STATES, *WORD_LINES.values())
_RECORD = f"{ARRAY}.{RECORD}"
_EXTRA = "_extra_state"
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # that a model can be in


def join(path: str, name: str) -> str:
    """The name of what belongs to the module of a path; the path of the model itself is empty."""
    return f"{path}.{name}" if path else name


def is_extra(key: str) -> bool:
    """Whether a key of a ``state_dict`` is that of a module's extra state."""
    return key == _EXTRA or key.endswith(f".{_EXTRA}")


def digital_state(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, buffers and extra states, but for cells and what belongs to them; the tensors themselves."""
    state: dict[str, Tensor] = model.state_dict(keep_vars=True)
    for path, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, CrossbarLayer):
            for name in (*_OF_CELLS, _RECORD):
                state.pop(join(path, name), None)
    return state


def module_differences(model: nn.Module, description: ChipDescription) -> Iterator[str]:
    """Modules that are not there, not known, of another class or with other settings.

    Layers are compared elsewhere, and so are their paths left out where they are not what they are to be.
    """
    ours, theirs = describe_modules(model), description.modules
    for path, module in model.named_modules():
        if isinstance(module, QuantizedLayer) and path not in description.layers:
            yield f"layer {path or THE_MODEL!r} is quantized in the model and float in the file"
    # Calibration may have decomposed a layer: it has more modules, and computes the same.
    decomposed = tuple(join(owner, "") for owner in set(decomposed_layers(model)) - set(description.decomposed))
    missing = _missing_layers(model, description)
    for path in {**ours, **theirs}:
        called = path or THE_MODEL
        if path in missing or path.startswith(decomposed):
            continue
        if path not in ours:
            yield f"module {called!r} ({theirs[path]['type']}) is not in the model"
        elif path not in theirs:
            yield f"module {called!r} ({ours[path]['type']}) is not in the file"
        elif ours[path]["type"] != theirs[path]["type"]:
            yield f"module {called!r} is {theirs[path]['type']} in the file and {ours[path]['type']} in the model"
        else:
            one, other = theirs[path]["settings"], ours[path]["settings"]
            for name in one:
                if name in other and one[name] != other[name]:
                    value = shown(one[name])
                    yield f"module {called!r} has {name} = {value} in the file, {other[name]!r} in the model"


def tensor_differences(
    model: nn.Module, tensors: Mapping[str, Tensor], description: ChipDescription
) -> Iterator[str]:
    """Tensors that are not there, not known, of another shape, or one instead of two; those of cells aside."""
    missing = tuple(join(path, "") for path in _missing_layers(model, description))
    paths = {p for p, m in model.named_modules(remove_duplicate=False) if isinstance(m, CrossbarLayer)}
    cells = {join(path, name) for path in paths | set(description.layers) for name in _OF_CELLS}
    ours = digital_state(model)
    # Of a layer whose cells do not fit that is what there is to say.
    unfit = tuple(join(path, f"{ARRAY}.") for path in set(description.layers) - paths)
    theirs = {key: value for key, value in tensors.items() if key not in cells and not key.startswith(unfit)}
    by_tensor: dict[int, list[str]] = {}
    for key in {**ours, **theirs}:
        if "" not in missing and key.startswith(missing):
            continue
        if key not in ours:
            yield f"tensor {key!r} is not in the model"
        elif key not in theirs:
            yield f"tensor {key!r} is not in the file"
        elif not is_extra(key):
            by_tensor.setdefault(id(ours[key]), []).append(key)
            if ours[key].shape != theirs[key].shape:
                one, other = list(theirs[key].shape), list(ours[key].shape)
                yield f"tensor {key!r} is {one} in the file and {other} in the model"
            if not _alike(theirs[key].dtype, ours[key].dtype):
                yield f"tensor {key!r} is {theirs[key].dtype} in the file and {ours[key].dtype} in the model"
    for first, *others in by_tensor.values():
        for other_key in others:
            if theirs[first] is not theirs[other_key] and not torch.equal(theirs[first], theirs[other_key]):
                yield f"tensors {first!r} and {other_key!r} are one in the model and two in the file"


def layer_differences(chip: nn.Module, description: ChipDescription) -> Iterator[str]:
    """What a description says of layers, and the chip that was made from it is not."""
    made = ChipDescription.of(chip, description.version)
    for path, layer in description.layers.items():
        ours = made.layers.get(path)
        for field in fields(layer):
            theirs, present = getattr(layer, field.name), getattr(ours, field.name, None)
            if field.name in ("parameters", "buffers"):
                theirs, present = sorted(theirs), sorted(present or ())
            if field.name != "device" and theirs != present:
                yield f"layer {path or THE_MODEL!r} has {field.name} {shown(theirs)}, expected {shown(present)}"
    if set(made.decomposed) != set(description.decomposed):
        yield f"decomposed must be {list(made.decomposed)}, got {shown(description.decomposed)}"


def _alike(one: torch.dtype, other: torch.dtype) -> bool:
    return one == other or (one in _FLOATS and other in _FLOATS)


def _missing_layers(model: nn.Module, description: ChipDescription) -> list[str]:
    """Paths of layers of the file that the model has not, or has as something else."""
    modules = dict(model.named_modules(remove_duplicate=False))
    return [path for path in description.layers if not isinstance(modules.get(path), QuantizedLayer)]
