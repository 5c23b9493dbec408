"""Whether the tensors and the description of a chip can be true: checked before a model is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

import torch
from torch import Tensor

from memrix._support.schema import THE_MODEL
from memrix._support.validation import shown
from memrix.checkpoint.description import ChipDescription, LayerDescription
from memrix.checkpoint.differences import AS_PROGRAMMED, CELLS, LINE_STATES, is_extra, join
from memrix.checkpoint.scales import CellSizes, scale_of
from memrix.crossbar import ADC
from memrix.device.parameter_files import parse_parameters
from memrix.errors import CheckpointError, SettingsError
from memrix.nn.inputs import type_name
from memrix.nn.layer_record import LayerRecord

# On either side. The measured device has states from -0.07 to 0.89; at -100 a cell would conduct a hundred times as
# much as the low-resistance extreme.
LARGEST_STATE = 100.0
_LARGEST_PULSE = 10.0  # J: 5 V and 1 s, the most that a pulse can have, at 2 A
_LARGEST_COUNT = (1 << 63) - 1
_NAMES_STREAMS, _FIRST_NAMED = 4, 2  # the first format that names the random streams, and those that it began with
_STATES = (*CELLS, *AS_PROGRAMMED)
_NEVER_NEGATIVE = ("running_var", "num_batches_tracked")  # statistics of torch's normalization layers
_STATISTICS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)


def require_sound(tensors: Mapping[str, Tensor], description: ChipDescription, what: str) -> None:
    """Raise CheckpointError, which lists every contradiction, unless a chip can be what is said of it.

    Args:
        tensors: with cells as ``[groups, inputs, planes, outputs]``.
        description: of the chip.
        what: they belong to, at the beginning of the message.
    """
    problems = [*_contradictions(description), *_unsound_tensors(tensors, description)]
    kind = "chip" if description.on_chip else "quantized model"
    if problems:
        raise CheckpointError(f"{what} cannot be a {kind} of memrix:\n  " + "\n  ".join(problems))


def described_with(description: ChipDescription, tensors: Mapping[str, Tensor]) -> ChipDescription:
    """A description with what is said of tensors: their types, and which hold NaN or infinite values, as masks do."""
    cells = {join(path, name) for path in description.layers for name in _STATES}
    unusual = tuple(name for name, values in tensors.items() if name not in cells and not _all_finite(values))
    return replace(description, types=_types(tensors), not_finite=unusual)


def _contradictions(description: ChipDescription) -> Iterator[str]:
    """Contradictions in a description, independent of its tensors."""
    for place in ("layers", "decomposed", "digital"):
        for path in getattr(description, place):
            if path not in description.modules:
                yield f"{place} must be modules of the chip, and there is no module {shown(path)}"
    for path in description.digital.keys() & description.layers.keys():
        yield f"digital must be other layers than those on the chip or quantized, got {shown(path)}"
    if description.format >= _NAMES_STREAMS and description.streams < _FIRST_NAMED:
        yield f"streams must be at least {_FIRST_NAMED} in format {description.format}, got {description.streams}"
    used = {layer.device for layer in description.layers.values()}
    for number in range(len(description.devices)):
        if number not in used:
            yield f"devices.{number} must be the device of a layer"
    for path, layer in description.layers.items():
        for problem in _contradictions_of(layer, description):
            yield f"layer {path or THE_MODEL!r}: {problem}"


def _contradictions_of(layer: LayerDescription, description: ChipDescription) -> Iterator[str]:
    record, devices = layer.record, description.devices
    if (record is None) != (layer.device is None):
        yield "a layer on a chip has a record and a device, and another one neither"
    if layer.device is not None and not 0 <= layer.device < len(devices):
        yield f"device must be an integer from 0 to {len(devices) - 1}, got {layer.device}"
    elif layer.device is not None and record is not None:
        yield from _impossible_states(record, devices[layer.device], layer.hardware.device.parameters)
    if record is None:
        return
    if record.hardware != layer.hardware:
        yield "hardware and record.hardware must be the same"
    if not _may_read_with(record.adc, record.hardware.adc):
        yield "record.adc must be the hardware's, or have its bits and another gain if that is per_layer"
    yield from _impossible_counts(record, before_checks=not description.says_of_tensors)


def _impossible_states(record: LayerRecord, device: str, source: str) -> Iterator[str]:
    try:
        parameters = parse_parameters(device, source)
    except SettingsError as error:
        yield f"its device cannot be used: {error}"
        return
    silent = parameters.silent_state
    on, off = record.nominal_states
    if not -LARGEST_STATE <= on < off <= silent:
        yield (
            f"record.nominal_states must be mean states of ON and of OFF cells, rising and from {-LARGEST_STATE:g} "
            f"to {silent:.3g}, got {on} and {off}"
        )


def _may_read_with(adc: ADC, meant: ADC) -> bool:
    ranged = replace(
        meant, precision_bits=adc.precision_bits, range_bits=adc.range_bits, gain=adc.gain, per_layer=False
    )
    return adc == meant or (meant.per_layer and adc.bits == meant.bits and adc == ranged)


def _impossible_counts(record: LayerRecord, *, before_checks: bool) -> Iterator[str]:
    report = record.report
    for field in fields(report):
        value = getattr(report, field.name)
        # Files of format 1 may hold an energy from before the current beyond the sweeps was known to be wrong.
        if value < 0 and (isinstance(value, int) or not before_checks):
            yield f"record.report.{field.name} must be at least 0, got {value}"
        elif value > _LARGEST_COUNT:
            yield f"record.report.{field.name} must be at most 2**63 - 1, got {value}"
    if report.energy > _LARGEST_PULSE * report.pulses:
        yield f"record.report.energy must be that of {report.pulses} pulses, in J, got {report.energy}"
    if report.failed > report.cells:
        yield f"record.report.failed must be at most the {report.cells} cells, got {report.failed}"
    if report.disturbing_reads > report.reads:
        yield f"record.report.disturbing_reads must be at most {report.reads} reads, got {report.disturbing_reads}"
    reach, vmax = record.reach, record.hardware.dac.vmax
    if reach is None:
        return
    if not -vmax <= reach.lowest <= 0 <= reach.highest <= vmax:
        yield (
            f"record.reach must lie within {vmax:g} V on either side of 0 V, got {reach.lowest:g} V to "
            f"{reach.highest:g} V"
        )
    if max(reach.sets, reach.resets) > report.cells:
        yield f"record.reach must be of at most the {report.cells} cells, got {reach.sets} and {reach.resets}"


def _unsound_tensors(tensors: Mapping[str, Tensor], description: ChipDescription) -> Iterator[str]:
    kept = set(description.not_finite)
    for name in kept - tensors.keys():
        yield f"not_finite must be names of tensors, got {shown(name)}"
    if description.says_of_tensors:
        yield from _other_types(tensors, description)
    told: set[str] = set()
    for path, layer in description.layers.items():
        told |= {join(path, name) for name in (*_STATES, LINE_STATES)}
        yield from _unsound_layer(path, layer, tensors, told)
    for path, module in description.modules.items():
        for name in _NEVER_NEGATIVE if "track_running_stats" in module["settings"] else ():
            statistic = tensors.get(join(path, name))
            if statistic is not None and statistic.dtype in _STATISTICS and bool((statistic < 0).any()):
                yield f"tensor {join(path, name)!r} must be at least 0, got {_described(statistic)}"
    for name, values in tensors.items():
        known = not description.says_of_tensors or name in kept or name in told or is_extra(name)
        if not known and not _all_finite(values):
            yield f"tensor {name!r} holds NaN or infinite values, and did not when the chip was saved"


def _other_types(tensors: Mapping[str, Tensor], description: ChipDescription) -> Iterator[str]:
    found = _types(tensors)
    for name in {**description.types, **found}:
        said, present = description.types.get(name), found.get(name)
        if present is None:
            yield f"tensor {shown(name)} is missing"
        elif said is None:
            yield f"tensor {shown(name)} is not part of the chip"
        elif said != present:
            yield f"tensor {shown(name)} must be {shown(said)}, as the file says, got {present}"


def _unsound_layer(
    path: str, layer: LayerDescription, tensors: Mapping[str, Tensor], told: set[str]
) -> Iterator[str]:
    """What is wrong with cells, scales and the weight; ``told`` takes the names that need no other word."""
    shown_path = path or THE_MODEL
    found = {name: tensors[join(path, name)] for name in _STATES if join(path, name) in tensors}
    for name, states in found.items():
        problem = _unsound_cells(states)
        if problem:
            yield f"layer {shown_path!r}: {name} {problem}, got {_described(states)}"
    lines = tensors.get(join(path, LINE_STATES))
    if lines is not None and (problem := _unsound_lines(lines, layer.record)):
        yield f"layer {shown_path!r}: {LINE_STATES} {problem}, got {_described(lines)}"
    if layer.record is None:
        for name in found:
            yield f"layer {shown_path!r} is not on a chip and has {name}"
    elif layer.record.report.cells != 2 * (cells := next(iter(found.values()), torch.empty(0)).numel()) and cells:
        yield f"layer {shown_path!r}: record.report.cells must be {2 * cells}, got {layer.record.report.cells}"
    shape = next((states.shape for states in found.values() if states.dim() == 4), None)
    for name in (*layer.parameters, *layer.buffers):
        values, scale = tensors.get(join(path, name)), scale_of(name)
        if values is not None and scale is not None:
            sizes = None if shape is None else CellSizes(shape[0], shape[3])
            problem = scale.problem(values, sizes, on_chip=layer.record is not None)
            if problem:
                told.add(join(path, name))
                yield f"layer {shown_path!r}: {name} {problem}, got {_described(values)}"
    weight = tensors.get(join(path, "weight"))
    if layer.record is not None and weight is not None and not _all_finite(weight):
        yield f"layer {shown_path!r}: weight must be finite"


def _unsound_cells(states: Tensor) -> str:
    if states.dtype not in (torch.float16, torch.float32):
        return "must be float32 or float16"
    if states.dim() != 4:
        return "must be [groups, inputs, planes, outputs]"
    if not bool((states.abs() <= 2 * LARGEST_STATE).all()) or not _all_finite(states):
        return f"must be states of pairs of cells, from {-2 * LARGEST_STATE:g} to {2 * LARGEST_STATE:g}"
    return ""


def _unsound_lines(lines: Tensor, record: LayerRecord | None) -> str:
    if record is None:
        return "is that of a layer on a chip"
    if record.hardware.noise != "off" and record.hardware.wires.ideal:
        return "is not part of a chip with noise and without wires"
    if lines.dtype != torch.float32 or lines.dim() != 2:
        return "must be float32 [groups * row tiles, rows]"
    if not bool((lines.abs() <= LARGEST_STATE * record.report.cells).all()):
        return f"must be sums of states of cells, from {-LARGEST_STATE:g} to {LARGEST_STATE:g} each"
    return ""


def _all_finite(values: Tensor) -> bool:
    # Sparse, quantized and meta tensors are refused by whoever writes a file.
    plain = values.layout == torch.strided and not values.is_quantized and not values.is_meta
    if not plain or not (values.is_floating_point() or values.is_complex()):
        return True
    # Of types of 8 bits torch knows no more than how to turn them into others.
    return bool((values.float() if values.dtype.itemsize == 1 else values).isfinite().all())


def _described(values: Tensor) -> str:
    if values.numel() == 1:
        return f"{type_name(values.dtype)} {list(values.shape)} of {values.item()}"
    if not values.numel() or not values.is_floating_point():
        return f"{type_name(values.dtype)} {list(values.shape)}"
    low, high = values.float().aminmax()
    return f"{type_name(values.dtype)} {list(values.shape)} from {low:g} to {high:g}"


def _types(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    return {name: type_name(values.dtype) for name, values in tensors.items()}
