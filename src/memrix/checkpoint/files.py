"""Save a chip or a quantized model, and load it again without programming it again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import memrix
from memrix._support.archive import FileKind, read_archive, write_archive
from memrix._support.stored_seeds import warn_of_new_draws
from memrix._support.validation import shown
from memrix.checkpoint.base import Base
from memrix.checkpoint.description import ChipDescription, in_present_places
from memrix.checkpoint.differences import AS_PROGRAMMED, CELLS, LINE_STATES, WORD_LINES, digital_state, join
from memrix.checkpoint.packed_files import packing_of, save_packed, unpacked_file
from memrix.checkpoint.restoration import adopted_layers, restore_
from memrix.checkpoint.soundness import described_with, require_sound
from memrix.crossbar import rows_in_use
from memrix.errors import CheckpointError, ConversionError, SettingsError
from memrix.hardware.reading import require_restorable
from memrix.model.contents import Contents
from memrix.model.copying import copy_model
from memrix.model.originals import Originals
from memrix.model.references import require_live_functions
from memrix.model.undo import data_unchanged_on_failure, unchanged_on_failure
from memrix.model.witness import Witness
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.quantized import QuantizedLayer

CHIP = FileKind("chip", "memrix.save", "memrix.save(chip, path)")


def save(
    chip: nn.Module,
    path: str | Path,
    *,
    half: bool = False,
    packed: bool = False,
    base: Base | None = None,
    base_name: str = "",
) -> None:
    """Save a chip to a safetensors file: its cells, scales, digital parameters, hardware and device.

    Nothing is pickled, and the file is written atomically. Random streams are saved by their seeds: a loaded chip
    starts its read noise again.

    With ``packed=True`` the model is a quantized one, which runs on no chip. Each low-bit weight takes
    ``weight_bits`` bits; scales, ranges and hardware are stored with them. All other tensors are stored as they are,
    in full precision unless ``half``, except for those that ``base`` has too: of these only a SHA-256 is stored. The
    loaded model has the same integers and gives the same outputs, bit for bit unless ``half``; programmed, it gives
    the same chips. What training needs, the weights between the integers, is lost.

    Args:
        chip: as returned by ``memrix.program``; with ``packed``, a model that ``memrix.quantize`` has changed.
        path: of the file; an existing one is replaced.
        half: whether the states of cells are stored as float16, in half the space and to within 1/2048 each; with
            ``packed``, whether other float32 tensors are.
        packed: whether a quantized model is saved as packed integers.
        base: with ``packed``: the model, ``state_dict`` or safetensors file that the model was trained from.
        base_name: what messages call the base; by default its file name or class.

    Raises:
        CheckpointError: the model is not a chip (or not quantized), holds what safetensors cannot, or the file cannot
            be written; or it could not be loaded, because a programming protocol is not registered
            (``memrix.register_protocol``).
        ConversionError: a weight to be packed is NaN or infinite, or its integers would not come back.
        SettingsError: a base without ``packed``.
    """
    if not isinstance(chip, nn.Module):
        raise CheckpointError(f"expected a chip, a torch.nn.Module, got {type(chip).__name__}")
    _require_kind(chip, packed)
    if base is not None and not packed:
        raise SettingsError("base is an option of packed=True: chips are stored whole")
    _require_restorable_protocols(chip)
    if packed:
        save_packed(chip, path, half=half, base=base, base_name=base_name)
        return
    tensors = _tensors(chip, half)
    description = described_with(ChipDescription.of(chip, memrix.__version__), tensors)
    require_sound(tensors, description, "what is to be saved")
    write_archive(path, tensors, description.to_dict())


def load(
    path: str | Path, model: nn.Module, *, device: torch.device | str | None = None, inplace: bool = False
) -> nn.Module:
    """The chip of a file: a copy of a digital model, whose layers run on the crossbars that were saved.

    Of a packed file, the quantized model; tensors that it has in common with its base are those of ``model``.

    No cell is programmed: after ``memrix.reseed`` the chip gives the same outputs as the one that was saved, bit for
    bit on the same machine. Parameters, buffers and their precision are those of the file; training or evaluation
    mode, hooks and non-persistent buffers those of the model. The counts of conversions start at zero. A file of a
    memrix whose seeds meant other random numbers gives the same cells, other read noise, and a SeedWarning.

    Args:
        path: of a file that ``memrix.save`` wrote.
        model: the digital model, float or quantized, calibrated or not; it is not changed.
        device: of the chip; that of the model by default.
        inplace: whether the model itself becomes the chip and is returned, as with ``memrix.program``. If anything
            fails, the model is left as it was.

    Raises:
        CheckpointError: the file is missing, damaged, of a newer memrix or none of memrix; the device is not there;
            the model is another one, with every difference, or has other weights than the base of a packed file; or
            it cannot be copied, or holds functions that would go on running the original.
    """
    _require_digital(model)
    target = None if device is None else _present(device)
    tensors, description = _content(path, model)
    require_sound(tensors, description, f"the content of {str(path)!r}")
    try:
        contents = Contents.of(model)
        require_live_functions(contents, adopted_layers(model, description), copied=not inplace)
        with ExitStack() as stack:
            copies: dict[int, Any] = {}
            if inplace:
                chip = model
                stack.enter_context(unchanged_on_failure(model))
                stack.enter_context(data_unchanged_on_failure(model))
            else:
                chip, copies = copy_model(model, contents)
            if target is not None:
                chip.to(target)
            differences = restore_(chip, tensors, description)
            if differences:
                other = "the chip of another model" if description.on_chip else "another model"
                raise CheckpointError(
                    f"{str(path)!r} holds {other} than the one given:\n  " + "\n  ".join(differences)
                )
            # Here, since a filter may make it an error, which leaves the model as it was.
            _warn_of_new_draws(tensors, description, path)
    except (ConversionError, SettingsError) as error:
        raise CheckpointError(f"the chip in {str(path)!r} cannot be loaded into this model: {error}") from error
    if description.on_chip:
        Witness.watch(chip)
        Originals.watch(chip, model, copies)
    return chip


def _require_kind(model: nn.Module, packed: bool) -> None:
    on_chip = any(isinstance(module, CrossbarLayer) for module in model.modules())
    quantized = any(isinstance(module, QuantizedLayer) for module in model.modules())
    if packed and on_chip:
        raise CheckpointError("this model runs on a chip, whose cells packed integers do not hold; omit packed=True")
    if packed and not quantized:
        raise CheckpointError(
            "no layer of this model is quantized; memrix.quantize(model, hardware) does that, and a float model is "
            "saved by its state_dict"
        )
    if not packed and not on_chip:
        raise CheckpointError(
            "no layer of this model runs on a chip; memrix.program gives a model that does, and a digital one is "
            "saved by its state_dict" + (", or with packed=True" if quantized else "")
        )


def _content(path: str | Path, model: nn.Module) -> tuple[dict[str, Tensor], ChipDescription]:
    tensors, plain = read_archive(path, CHIP)
    packing = packing_of(plain, path)
    description = _description(plain, path)
    if packing is None:
        return in_present_places(tensors, description)
    return unpacked_file(model, tensors, packing, description, path), description


def _require_restorable_protocols(chip: nn.Module) -> None:
    layers = [module.memrix for module in chip.modules() if isinstance(module, QuantizedLayer)]
    for protocol in {layer.chip.programming for layer in layers}:
        try:
            require_restorable(protocol)
        except SettingsError as error:
            raise CheckpointError(str(error)) from error


def _require_digital(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise CheckpointError(f"expected the digital model, a torch.nn.Module, got {type(model).__name__}")
    if any(isinstance(module, CrossbarLayer) for module in model.modules()):
        raise CheckpointError("this model runs on a chip already; give the digital model that the chip was made from")
    if any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        raise CheckpointError("this model is on the meta device; build it on a device that holds values")


def _warn_of_new_draws(tensors: Mapping[str, Tensor], description: ChipDescription, path: str | Path) -> None:
    """Warn where a chip draws by the seeds of its file, and these meant other numbers when it was saved."""
    programmed = {name: layer for name, layer in description.layers.items() if layer.record is not None}
    warn_of_new_draws(
        f"the chip in {str(path)!r}",
        description.streams,
        noisy=any(layer.hardware.noise != "off" for layer in programmed.values()),
        switching=any(len(tensors.get(join(name, WORD_LINES["places"]), ())) > 0 for name in programmed),
        converters=any(not layer.hardware.adc.ideal for layer in programmed.values()),
        stacklevel=3,
    )


def _tensors(chip: nn.Module, half: bool) -> dict[str, Tensor]:
    """The state of a chip, with cells as ``[groups, inputs, planes, outputs]``."""
    tensors: dict[str, Any] = digital_state(chip)
    others = [name for name, value in tensors.items() if not isinstance(value, Tensor)]
    if others:
        raise CheckpointError(
            f"these entries of the state_dict are not tensors, and a safetensors file holds nothing else: "
            f"{', '.join(others)}; let get_extra_state of their modules give tensors"
        )
    cells: dict[CrossbarLayer, dict[str, Tensor]] = {}
    for path, module in chip.named_modules(remove_duplicate=False):
        if isinstance(module, CrossbarLayer):
            if module not in cells:
                cells[module] = _cells(module, half)
            tensors |= {join(path, name): states for name, states in cells[module].items()}
    return tensors


def _cells(layer: CrossbarLayer, half: bool) -> dict[str, Tensor]:
    """``r+ - r-``, and ``r+ + r-`` where it matters: exact, and no larger than ``r+`` and ``r-`` would be."""
    crossbar = layer.memrix.programmed.crossbar
    states = dict(zip(CELLS, (crossbar.difference, crossbar.total), strict=True))
    if crossbar.as_programmed is not None:
        states |= zip(AS_PROGRAMMED, (crossbar.as_programmed.difference, crossbar.as_programmed.total), strict=True)
    cells = {
        name: rows_in_use(tiled, crossbar.layout).to(torch.float16 if half else tiled.dtype)
        for name, tiled in states.items()
        if tiled.numel()
    }
    if crossbar.line_states is not None:
        cells[LINE_STATES] = crossbar.line_states
    if crossbar.word_lines is not None:
        cells |= {WORD_LINES[name]: tensor for name, tensor in crossbar.word_lines.stored().items()}
    return cells


def _description(plain: dict[str, Any], path: str | Path) -> ChipDescription:
    try:
        return ChipDescription.from_dict(plain)
    except ValueError as error:
        author = plain.get("version")
        by = "" if author == memrix.__version__ else f", by memrix {shown(author)},"
        raise CheckpointError(
            f"the description in {str(path)!r}{by} cannot be used by memrix {memrix.__version__}:\n  {error}"
        ) from error


def _present(device: torch.device | str) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"the device {str(device)!r} is not there ({reason}); 'cpu' always is") from error
    if found.type == "meta":
        raise CheckpointError("the meta device holds no values; load the chip to another device, such as 'cpu'")
    return found
