"""A digital model made the chip that a file describes, or all that keeps it from being that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from memrix._support.schema import THE_MODEL
from memrix.checkpoint.description import ChipDescription, LayerDescription
from memrix.checkpoint.differences import (
    AS_PROGRAMMED,
    CELLS,
    LINE_STATES,
    WORD_LINES,
    digital_state,
    is_extra,
    join,
    layer_differences,
    module_differences,
    tensor_differences,
)
from memrix.crossbar import AsProgrammed, Ideal, Pairs, in_tiles
from memrix.crossbar.mapping import Layout
from memrix.crossbar.stored_word_lines import exposed_cells, stored_problems
from memrix.device import DeviceParameters, ReadRange
from memrix.device.parameter_files import parse_parameters
from memrix.hardware import Hardware
from memrix.model.inventory import Candidate, candidate_layers, rule
from memrix.nn.adoption import adopted_class, torch_type
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.device_resampling import DeviceResampling, TrainingSteps
from memrix.nn.fast_path import disable_fast_paths
from memrix.nn.keys import ARRAY, STATE, WEIGHT_STEP
from memrix.nn.layer_record import LayerRecord
from memrix.nn.programmed import ProgrammedArray
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.registry import Handler


def restore_(model: nn.Module, tensors: Mapping[str, Tensor], description: ChipDescription) -> list[str]:
    """Make a digital model a chip, in place.

    Args:
        model: of the same structure as the one that was saved; changed even if differences are found.
        tensors: its state, with cells as ``[groups, inputs, planes, outputs]``.
        description: of the chip.

    Returns:
        How the model differs from the chip; only if there is nothing, it has become that chip.

    Raises:
        ConversionError: a layer of the model has no weights yet.
        SettingsError: the device parameters of the chip cannot be used.
    """
    candidates = candidate_layers(model)
    _decompose(model, candidates, description.decomposed)
    by_name = {name: layer for layer in candidates for name in layer.names}
    differences: list[str] = []
    for path, layer in description.layers.items():
        differences += _restore_layer(path, layer, by_name.get(path), tensors, description.devices, model)
    differences += module_differences(model, description)
    differences += tensor_differences(model, tensors, description)
    if differences:
        return differences
    for path, module in model.named_modules():
        rule(module, description.digital.get(path))
    disable_fast_paths(model)
    return _take_over(model, tensors) or [*layer_differences(model, description)]


def adopted_layers(model: nn.Module, description: ChipDescription) -> dict[nn.Module, type[nn.Module]]:
    """The class that each layer of a model has once it is the chip of a description, as far as it can be."""
    adopted: dict[nn.Module, type[nn.Module]] = {}
    for layer in candidate_layers(model):
        handler = layer.handler
        if isinstance(handler, Handler) and any(name in description.layers for name in layer.names):
            adopted[layer.module] = adopted_class(CrossbarLayer, torch_type(type(layer.module)))
            if layer.owner is not None:
                adopted[layer.owner.module] = layer.owner.composite.decomposed
    return adopted


def _decompose(model: nn.Module, candidates: Iterable[Candidate], decomposed: Iterable[str]) -> None:
    owners = {layer.owner.module: layer.owner for layer in candidates if layer.owner is not None}
    paths = set(decomposed)
    for path, module in list(model.named_modules()):
        if path in paths and module in owners:
            owners[module].decompose_()


def _restore_layer(
    path: str,
    layer: LayerDescription,
    found: Candidate | None,
    tensors: Mapping[str, Tensor],
    devices: Sequence[str],
    model: nn.Module,
) -> list[str]:
    """Put a layer on its crossbar; what keeps it from that."""
    shown = path or THE_MODEL
    if found is None:
        return [f"layer {shown!r} ({layer.kind}) is not in the model"]
    handler = found.handler
    if not isinstance(handler, Handler):
        return [f"layer {shown!r} cannot be mapped in the model: {handler}"]
    if handler.kind != layer.kind:
        return [f"layer {shown!r} is {layer.kind} in the file and {handler.kind} in the model"]
    layout = layer.hardware.layout(*handler.geometry.matrix_shape(found.module))
    problems = [] if layer.record is None else _unfit_cells(shown, path, layout, layer.hardware, tensors)
    on_chip = layer.record is not None and not problems
    kind: type[QuantizedLayer] = CrossbarLayer if on_chip else QuantizedLayer
    module = kind.adopt(found.module, handler.geometry, layer.name, layer.hardware)
    state = module.memrix
    state.keep_sample(None)
    if on_chip and layer.record is not None and layer.device is not None:
        parameters = parse_parameters(devices[layer.device], layer.hardware.device.parameters)
        state.array = _array(module, path, layer, layer.record, tensors, layout, parameters)
    _register_own(module, path, layer, tensors)
    problems += _unfit_step(shown, state.learned_weight_step, layout)
    state.learned_for = layer.hardware.steps_key if state.learned_weight_step is not None else None
    matrix = handler.geometry.weight_to_matrix(module, module.weight.detach().float())
    state.train_with(layer.quantization, matrix)
    if layer.quantization is not None and layer.quantization.device_resampling and not on_chip:
        state.training_forward = DeviceResampling(layer.quantization.seed, TrainingSteps.of(model))
    return problems


def _register_own(module: QuantizedLayer, path: str, layer: LayerDescription, tensors: Mapping[str, Tensor]) -> None:
    """Restore the scales of a saved layer, which are not tensors of the torch layer."""
    device = module.weight.device
    for name in (*layer.buffers, *layer.parameters):
        owner_name, _, own = name.rpartition(".")
        owner = _OWNERS[owner_name](module)
        value = tensors.get(join(path, name))
        if owner is None or value is None or own in _tensors(owner, declared=owner is module):
            continue
        if name in layer.buffers:
            owner.register_buffer(own, value.to(device, copy=True))
        else:
            owner.register_parameter(own, nn.Parameter(value.to(device, copy=True)))


def _tensors(module: nn.Module, *, declared: bool) -> set[str]:
    """Names of a module's own tensors; ``declared``: including those that are None, such as a missing bias."""
    own = (*module._parameters.items(), *module._buffers.items())
    return {name for name, value in own if declared or value is not None}


# Whose buffers and parameters the names of a description are, by what stands before their last dot.
_OWNERS: dict[str, Callable[[QuantizedLayer], nn.Module | None]] = {
    "": lambda layer: layer,
    STATE: lambda layer: layer.memrix,
    ARRAY: lambda layer: layer.memrix.array,
}


def _unfit_cells(
    shown: str, path: str, layout: Layout, hardware: Hardware, tensors: Mapping[str, Tensor]
) -> list[str]:
    expected = (layout.groups, layout.inputs, layout.planes, layout.outputs)
    problems = []
    for name in CELLS if hardware.noise != "off" else CELLS[:1]:
        states = tensors.get(join(path, name))
        if states is None:
            problems.append(f"layer {shown!r} has no {name} in the file")
        elif states.shape != expected:
            problems.append(
                f"layer {shown!r} has cells of {list(states.shape)} (groups, inputs, planes, outputs) in the file, "
                f"and would have {list(expected)} in the model"
            )
            break
    kept = [tensors.get(join(path, name)) for name in AS_PROGRAMMED]
    if any(states is None or states.shape != expected for states in kept) and any(
        states is not None for states in kept
    ):
        problems.append(
            f"layer {shown!r} has other cells as programmed in the file, expected two of {list(expected)}"
        )
    lines = tensors.get(join(path, LINE_STATES))
    if lines is not None and lines.shape != (tiles := (layout.groups * layout.row_tiles, layout.rows)):
        problems.append(
            f"layer {shown!r} has {LINE_STATES} of {list(lines.shape)} in the file, expected {list(tiles)}"
        )
    stored = _stored_lines(path, tensors)
    if hardware.device.read_disturb and not isinstance(hardware.programming, Ideal):
        found = stored_problems(stored, layout, hardware.dac.largest_code, wired=not hardware.wires.ideal)
    else:
        found = [f"{name} is not part of it" for name in stored]
    problems += [f"layer {shown!r} has other word lines in the file: {problem}" for problem in found]
    return problems


def _unfit_step(shown: str, step: Tensor | None, layout: Layout) -> list[str]:
    rows = layout.groups * layout.outputs
    if step is None or (step.dim() == 1 and len(step) in (1, rows)):
        return []
    return [f"layer {shown!r} has learned steps of {list(step.shape)} in the file, expected [1] or [{rows}]"]


def _stored_lines(path: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    keys = {name: join(path, key) for name, key in WORD_LINES.items()}
    return {name: tensors[key] for name, key in keys.items() if key in tensors}


def _array(
    layer: QuantizedLayer,
    path: str,
    described: LayerDescription,
    record: LayerRecord,
    tensors: Mapping[str, Tensor],
    layout: Layout,
    parameters: DeviceParameters,
) -> ProgrammedArray:
    device = layer.weight.device

    def placed(name: str) -> Tensor:
        states = tensors.get(join(path, name))
        if states is None:
            return torch.empty(0, device=device)
        # A copy: what is read from a file may be a view of it.
        return in_tiles(states.to(device, torch.float32, copy=True), layout)

    difference, total, *kept = (placed(name) for name in (*CELLS, *AS_PROGRAMMED))
    step = tensors.get(join(path, f"{ARRAY}.{WEIGHT_STEP}"), torch.ones(1))
    array = ProgrammedArray(layer.memrix.name, described.hardware, record.seeds, step.to(device, copy=True))
    lines = tensors.get(join(path, LINE_STATES))
    lines = None if lines is None else lines.to(device, copy=True)
    pairs = Pairs(difference, total, record.report, record.nominal_states, line_states=lines)
    array.install(pairs, layout, parameters)
    array.restore(record)
    if kept[0].numel():
        array.crossbar.as_programmed = AsProgrammed(*kept)
    stored = _stored_lines(path, tensors)
    if stored and record.reach is not None:
        reads = ReadRange(record.reach.lowest, record.reach.highest, kept=True)
        array.expose(exposed_cells(stored, layout, reads, device), stored)
    return array


def _take_over(model: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Copy the values of a file; which of them the model has refused."""
    state = digital_state(model)
    for key, tensor in state.items():
        if not is_extra(key) and tensor.dtype != tensors[key].dtype:
            tensor.data = tensor.data.to(tensors[key].dtype)
    loaded = model.load_state_dict({key: tensors[key] for key in state}, strict=False)
    refused = [*loaded.unexpected_keys, *(key for key in loaded.missing_keys if key in state)]
    for module in model.modules():
        if isinstance(module, CrossbarLayer):
            module.memrix.programmed.take(module.weight)
    return [f"tensor {key!r} is refused by the model" for key in refused]
