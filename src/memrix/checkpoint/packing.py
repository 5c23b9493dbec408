"""The state of a quantized model in the space that its bits take: low-bit weights as packed integers.

In place of the weight ``name`` of a layer there are three tensors:

- ``name.integers``: its integers in the order of its matrix, row by row, as ``quantization.packing`` packs them;
- ``name.full_scale``: the weight of the largest integer, float32, one for all rows or one for each;
- ``name.bits``: of each integer, a scalar.

In place of a tensor ``name`` that a base has too there is ``name.sha256``; with both, the integers are of its
difference to the tensor of the base. Other tensors are what they are.

    model --pack_weights--> tensors --safetensors--> file --> tensors --unpack_weights--> state_dict of such a model
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from memrix._support.wording import listing
from memrix.checkpoint.base import SHA256, Base, borrowed, digest_of, lent, weights_of
from memrix.checkpoint.packable import Packable, in_integers_alone, parameter_names, quantized_weights
from memrix.checkpoint.packed_matrix import PARTS, Parts, matrix_of, parts_of
from memrix.errors import CheckpointError, ConversionError, MemrixError
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.keys import STATE
from memrix.nn.quantized import QuantizedLayer
from memrix.quantization import weight_integers, weight_step
from memrix.quantization.packing import LEAST_BITS, MOST_BITS, pack_integers


def pack_weights(
    model: nn.Module,
    *,
    other_bits: int | None = None,
    half: bool = True,
    base: Base | None = None,
    difference_bits: int | None = None,
) -> dict[str, Tensor]:
    """The ``state_dict`` of a model with the weights of its quantized layers as packed integers, on the CPU.

    Unpacked, they are quantized to the same integers with the same steps: in evaluation the model gives the same
    outputs, as far as other tensors allow. What lies between the integers is lost, which training lives on. Weights
    that another layer uses as well, and parameters of which some rows stay digital, are kept whole.

    Args:
        model: as ``memrix.quantize`` gave it, or a float model.
        other_bits: of the other weights of two or more axes, packed with one scale for each entry of the first axis:
            each changes by at most ``1 / (2**other_bits - 2)`` of the largest of its row. None: as ``half`` says.
        half: whether other float32 tensors are kept at half precision, but for ranges and steps, and for numbers that
            float16 does not hold.
        base: a model, a ``state_dict`` or a safetensors file with tensors of the same names; of those that the model
            has in common with it only a SHA-256 is kept.
        difference_bits: of the other weights of two or more axes that the base has at other values: their difference
            to it is packed. Fine-tuning changes weights so little that few bits of the change are many of the weight.

    Raises:
        ConversionError: the model runs on a chip; a weight is NaN or infinite, or its integers would not come back.
        SettingsError: ``other_bits`` or ``difference_bits`` is not 2 to 16.
        CheckpointError: the file of the base cannot be read.
    """
    if any(isinstance(module, CrossbarLayer) for module in model.modules()):
        raise ConversionError("this model runs on a chip; memrix.save keeps its cells")
    own_base = {} if base is None else weights_of(base)
    weights = quantized_weights(model)
    packed = _in_integers(model, weights)
    whole = set(parameter_names(weights))
    held = {weights[name].parameter for name in packed}
    tensors = {f"{name}.{part}": value for name, parts in packed.items() for part, value in parts.items()}
    smaller: dict[object, dict[str, Tensor]] = {}  # by place in memory: tied weights are stored once
    for name, value in model.state_dict().items():
        if name in held:
            continue
        place = (value.device, value.data_ptr(), value.shape, value.stride())
        value = value.detach().cpu()
        digest = borrowed(name, value, own_base)
        if digest is not None:
            tensors[f"{name}.{SHA256}"] = digest
        elif name in whole:
            tensors[name] = value
        elif _is_parameter(model, name) and value.dim() > 1 and value.is_floating_point():
            if place not in smaller:
                smaller[place] = _smaller(name, value, own_base.get(name), other_bits, difference_bits, half=half)
            tensors |= {f"{name}{suffix}": part for suffix, part in smaller[place].items()}
        else:
            tensors[name] = _at_half_precision(name, value) if half else value
    if half:
        _require_kept(model, weights)
    return tensors


def unpack_weights(model: nn.Module, tensors: Mapping[str, Tensor], *, base: Base | None = None) -> dict[str, Tensor]:
    """A ``state_dict`` for ``model.load_state_dict`` from what ``pack_weights`` gave; other tensors as they are.

    Args:
        model: of the same architecture, quantized for the same bits. It is not touched.
        tensors: by their names.
        base: what they were packed onto; by default the weights that the model has.

    Raises:
        CheckpointError: lists every packed weight that is damaged, or of another model; or the base is another one.
    """
    state = model.state_dict()
    types = {name: value.dtype for name, value in state.items()}
    return unpacked(state, quantized_weights(model), tensors, state if base is None else weights_of(base), types)


def unpacked(
    state: Mapping[str, Tensor],
    weights: Mapping[str, Packable],
    tensors: Mapping[str, Tensor],
    base: Mapping[str, Tensor],
    types: Mapping[str, torch.dtype],
) -> dict[str, Tensor]:
    """What ``unpack_weights`` gives, for a model of such a ``state_dict`` with such weights.

    Weights and tensors of the base are given in the types that are named.

    Raises:
        CheckpointError: as ``unpack_weights`` does.
    """
    found = dict(tensors)
    digests = {name: found.pop(f"{name}.{SHA256}") for name in _stems(tensors, state, (SHA256,))}
    from_base = lent(digests, base)
    problems: list[str] = []
    made: dict[str, Tensor] = {}
    for name in _stems(tensors, {**state, **weights}, PARTS):
        parts = {part: found.pop(f"{name}.{part}", None) for part in PARTS}
        weight = weights.get(name)
        parameter = name if weight is None else weight.parameter
        try:
            _unpack(made.setdefault(parameter, _unknown(state[parameter])), weight, parts)
        except MemrixError as error:
            problems.append(f"{name}: {error}")
    problems += [f"{name}: some of its rows are missing" for name, value in made.items() if bool(value.isnan().any())]
    if problems:
        raise CheckpointError(f"these packed weights cannot be unpacked:{listing(problems)}")
    for name, value in from_base.items():
        made[name] = value if name not in made else made[name] + value.detach().cpu().float()
    return {**found, **{name: in_type(value, types.get(name)) for name, value in made.items()}}


def in_type(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Floating-point numbers in another such type; anything else as it is."""
    floats = dtype is not None and dtype.is_floating_point and value.is_floating_point()
    return value.to(dtype) if floats else value


def _in_integers(model: nn.Module, weights: Mapping[str, Packable]) -> dict[str, dict[str, Tensor]]:
    """Parts of the weights that integers hold, by their names; the same tensors for two names of a layer."""
    known: dict[int, dict[str, Tensor]] = {}  # by layer: one of two names is stored once
    packed = {}
    for name, weight in in_integers_alone(model, weights).items():
        if id(weight.module) not in known:
            known[id(weight.module)] = _packed(name, weight, weight.held_by(model))
        packed[name] = known[id(weight.module)]
    return packed


@torch.no_grad()
def _packed(name: str, weight: Packable, parameter: Tensor) -> dict[str, Tensor]:
    layer: Any = weight.module
    matrix = weight.matrix(parameter.float())
    step = layer.memrix.weight_step(matrix)
    parts = parts_of(name, matrix, step, weight.bits)
    # As loading will find it: a parameter of half precision, or a range of the least error, may round it.
    again = torch.zeros_like(parameter, device="cpu")
    _unpack(again, weight, parts)
    loaded = weight.matrix(again.to(parameter.device).float())
    new_step, integers = layer.memrix.weight_step(loaded), weight_integers(matrix, step, weight.bits)
    if not (torch.equal(new_step, step) and torch.equal(weight_integers(loaded, new_step, weight.bits), integers)):
        raise ConversionError(
            f"{name} ({parameter.dtype}) would not be quantized to the same {weight.bits:g}-bit integers once it is "
            "unpacked; convert the model to float32 (model.float()), or quantize it with weight_range='abs-max'"
        )
    return parts


def _smaller(
    name: str, value: Tensor, known: Tensor | None, bits: int | None, difference_bits: int | None, *, half: bool
) -> dict[str, Tensor]:
    """Tensors in place of a float weight, by what follows its name: of its difference to a known one, or its own."""
    if difference_bits is not None and known is not None and known.shape == value.shape:
        apart = value.float() - known.detach().cpu().float()
        parts = {**_rounded(name, apart.flatten(1), difference_bits), SHA256: digest_of(known)}
    elif bits is not None:
        parts = _rounded(name, value.float().flatten(1), bits)
    else:
        return {"": _at_half_precision(name, value) if half else value}
    return {f".{part}": entry for part, entry in parts.items()}


def _rounded(name: str, rows: Tensor, bits: int) -> dict[str, Tensor]:
    if not LEAST_BITS <= bits <= MOST_BITS:
        pack_integers(rows.new_zeros(0, dtype=torch.int32), bits)  # which says what is valid
    return parts_of(name, rows, weight_step(rows, bits, "per-output-channel", "abs-max"), bits)


def _unknown(like: Tensor) -> Tensor:
    if not like.is_floating_point():
        raise CheckpointError(f"the model has {like.dtype} there, which is no weight")
    # Single precision, in which integers and steps come back, whatever the model is in.
    return torch.full_like(like, torch.nan, dtype=torch.float32, device="cpu", requires_grad=False)


def _unpack(into: Tensor, weight: Packable | None, parts: Parts) -> None:
    """Write a matrix to its place in a tensor like the parameter of a model."""
    meta = into.to("meta")
    if weight is None:
        if into.dim() < 2:
            raise CheckpointError(f"the model has {list(into.shape)} there, which is no matrix")
        rows, columns = meta.flatten(1).shape
        into.copy_(matrix_of(parts, (rows, columns), None).view(into.shape))
    else:
        rows, columns = weight.matrix(meta).shape
        weight.put(matrix_of(parts, (rows, columns), weight.bits), into)


def _require_kept(model: nn.Module, weights: Mapping[str, Packable]) -> None:
    """Raise ConversionError where half precision would change weights that another computation makes."""
    computed = [
        path
        for path, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, QuantizedLayer) and (f"{path}.weight" if path else "weight") not in weights
    ]
    if computed:
        raise ConversionError(
            f"the weight of layer {computed[0]!r} is computed from other tensors, which half precision would change; "
            "pack it with half=False"
        )


def _is_parameter(model: nn.Module, name: str) -> bool:
    path, _, last = name.rpartition(".")
    return last in model.get_submodule(path)._parameters


def of_quantizer(name: str) -> bool:
    """Whether a tensor is what memrix keeps on a layer: a range or a step, which a quantizer rounds by."""
    return f".{STATE}." in f".{name}"


def _at_half_precision(name: str, value: Tensor) -> Tensor:
    if value.dtype is not torch.float32 or of_quantizer(name):
        return value
    half = value.half()
    return half if bool((half.isfinite() == value.isfinite()).all()) else value


def _stems(tensors: Mapping[str, Tensor], known: Mapping[str, Any], parts: tuple[str, ...]) -> Iterator[str]:
    """Names of the model in whose place there are parts."""
    stems = dict.fromkeys(name.rpartition(".")[0] for name in tensors if name.rpartition(".")[2] in parts)
    yield from (stem for stem in stems if stem in known and stem not in tensors)
