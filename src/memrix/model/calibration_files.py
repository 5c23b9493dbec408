"""A calibration in a safetensors file: samples as tensors, all else as its description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from memrix._support.archive import FileKind, read_archive, write_archive
from memrix._support.schema import Between, Count, read
from memrix.errors import CheckpointError
from memrix.model.layer_calibration import BINS, LayerCalibration
from memrix.quantization.observers import Histogram

FORMAT = 1  # of the description; a greater one is of a newer memrix
_FORMAT = "calibration_format"  # which tells it from other files

CALIBRATION = FileKind("calibration", "Calibration.save", "memrix.calibrate(...).save(path)")
_Magnitude = Annotated[float, Between(0, torch.finfo(torch.float32).max)]
_Size = Annotated[int, Between(1, (1 << 63) - 1)]


@dataclass(frozen=True)
class _Seen:
    """A ``Histogram``."""

    counts: tuple[Count, ...]
    top: Annotated[float, Between(0, 2 * torch.finfo(torch.float32).max)]
    zeros: Count
    largest: _Magnitude


@dataclass(frozen=True)
class _Layer:
    """A ``LayerCalibration`` without its samples."""

    name: str
    kind: str
    shape: tuple[_Size, _Size, _Size]
    input_range: _Magnitude
    output_range: _Magnitude | None
    seen: _Seen
    clipped: Count


@dataclass(frozen=True)
class _Described:
    """All of a file but its samples."""

    calibration_format: Annotated[int, Between(1, FORMAT)]
    layers: tuple[_Layer, ...]
    digital: dict[str, str]
    batches: Count


def write_calibration(
    path: str | Path, layers: Sequence[LayerCalibration], digital: Mapping[str, str], batches: int
) -> None:
    """Write a calibration.

    Raises:
        CheckpointError: the file cannot be written.
    """
    samples = {layer.name: layer.sample for layer in layers if layer.sample is not None}
    described = _Described(FORMAT, tuple(map(_described, layers)), dict(digital), batches)
    write_archive(path, samples, asdict(described))


def read_calibration(path: str | Path) -> tuple[tuple[LayerCalibration, ...], dict[str, str], int]:
    """The layers of a file, those that stay digital and why, and the number of batches.

    Raises:
        CheckpointError: the file is missing, damaged, of a newer memrix, or no calibration.
    """
    samples, plain = read_archive(path, CALIBRATION)
    if _FORMAT not in plain:
        raise CheckpointError(
            f"{str(path)!r} holds no calibration; {CALIBRATION.call} writes one, and memrix.load reads a chip"
        )
    try:
        described = read(_Described, plain, complete=True)
    except ValueError as error:
        raise _unusable(path, str(error)) from error
    problems = [*_problems(described, samples)]
    if problems:
        raise _unusable(path, "\n  ".join(problems))
    return tuple(_built(layer, samples) for layer in described.layers), described.digital, described.batches


def _described(layer: LayerCalibration) -> _Layer:
    own = {field.name: getattr(layer, field.name) for field in fields(_Layer)}
    return _Layer(**{**own, "seen": _Seen(**vars(layer.seen))})


def _built(layer: _Layer, samples: Mapping[str, Tensor]) -> LayerCalibration:
    return LayerCalibration(**{**vars(layer), "seen": Histogram(**vars(layer.seen))}, sample=samples.get(layer.name))


def _unusable(path: str | Path, problems: str) -> CheckpointError:
    return CheckpointError(
        f"the calibration in {str(path)!r} cannot be used:\n  {problems}\nwrite it again, or upgrade memrix if a "
        f"newer one wrote it"
    )


def _problems(described: _Described, samples: Mapping[str, Tensor]) -> Iterator[str]:
    """What cannot be true of the content of a file."""
    names = [layer.name for layer in described.layers]
    for name in sorted({name for name in names if names.count(name) > 1} | (set(names) & described.digital.keys())):
        yield f"layer {name!r} is there twice"
    for name in samples.keys() - set(names):
        yield f"samples of {name!r} are of no layer"
    for layer in described.layers:
        seen, sample = layer.seen, samples.get(layer.name)
        values = sum(seen.counts) + seen.zeros
        if len(seen.counts) != BINS:
            yield f"layer {layer.name!r}: seen.counts must be {BINS} counts, got {len(seen.counts)}"
        if not values or layer.clipped > values or seen.largest > seen.top:
            yield f"layer {layer.name!r}: {layer.clipped:,} clipped of {values:,} values up to {seen.largest:g}"
        if sample is not None and (problem := _unsound(sample, layer.shape)):
            yield f"layer {layer.name!r}: samples must be {problem}"


def _unsound(sample: Tensor, shape: tuple[int, int, int]) -> str | None:
    groups, inputs, _ = shape
    expected: Any = (groups, inputs)
    if sample.dim() != 3 or (sample.shape[0], sample.shape[2]) != expected or not sample.shape[1]:
        return f"[{groups}, vectors, {inputs}], got {list(sample.shape)}"
    if sample.dtype != torch.float32 or not bool(sample.isfinite().all()):
        return f"finite numbers of float32, got {sample.dtype}"
    return None
