"""Tensors and a description in one safetensors file, which is whole or is not there."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from memrix._support.documents import file_path, parse_json
from memrix._support.schema import is_text, read
from memrix._support.validation import shown
from memrix.errors import CheckpointError

FORMAT = 4
"""The newest that this memrix reads: 2 may hold packed weights, which 1 does not know; 3 tensors of a base; 4
differences to them."""

_VERSION, _DESCRIPTION, _DIGEST = "memrix_format", "memrix", "memrix_sha256"
_MOST_DIGITS = 9  # of a format


@dataclass(frozen=True)
class FileKind:
    """What a file is to whoever reads it, for messages.

    Attributes:
        name: ``chip`` or ``recognizer``.
        writer: what writes such a file, such as ``memrix.save``.
        call: that writes such a file, as shown in messages.
    """

    name: str
    writer: str
    call: str


@dataclass(frozen=True)
class _Described:
    """What the header of a file holds besides the tensors.

    Attributes:
        tied: names of tensors that are stored under another name, and that name.
        content: the description that was given.
    """

    tied: dict[str, str]
    content: dict[str, Any]


def write_archive(
    path: str | Path, tensors: Mapping[str, Tensor], description: dict[str, Any], format: int = 1
) -> None:
    """Write tensors, each one once however many names it has, and a description that JSON can hold.

    Args:
        path: of the file.
        tensors: by their names.
        description: of them.
        format: the least that a reader must know, so that earlier versions of memrix read all files that they can.

    Raises:
        CheckpointError: the place cannot be written, or a tensor is of a kind that safetensors does not know.
    """
    target = _path(path).resolve()
    stored, tied = _each_once(tensors)
    text = json.dumps({"tied": tied, "content": description})
    unwritable = [name for name in (*stored, *tied) if not is_text(name)]
    if unwritable:
        raise CheckpointError(f"the names of tensors must be valid Unicode, got {shown(unwritable[0])}; rename it")
    metadata = {"format": "pt", _VERSION: str(format), _DESCRIPTION: text, _DIGEST: digest(text, stored)}
    # Under another name until it is complete: whoever ends the process midway leaves an older file as it was.
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        partial.touch()
        mode = partial.stat().st_mode
        save_file(stored, partial, metadata)
        partial.chmod(mode)  # safetensors gives its files to their owner alone
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{str(path)!r} cannot be written ({reason}); name another place") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def read_archive(path: str | Path, kind: FileKind) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors under all their names, on the CPU, and the description; tied tensors are one object.

    Args:
        path: of the file.
        kind: what the caller expects, for messages.

    Raises:
        CheckpointError: the file is missing, cut short, damaged, of a newer memrix, or not of memrix.
    """
    with _opened(path, kind) as file:
        metadata = _metadata(file, path, kind)
        stored = {name: _tensor(file, name, path, kind) for name in file.keys()}  # noqa: SIM118 - the file is not a dict
    text = metadata[_DESCRIPTION]
    if metadata[_DIGEST] != digest(text, stored):
        raise CheckpointError(
            f"{str(path)!r} is damaged: its SHA-256 is not that of its content; copy it again or write the "
            f"{kind.name} again"
        )
    try:
        described = read(_Described, parse_json(text), complete=True)
        problems = [
            f"tied.{shown(name)} must be another name of a tensor of the file, got {shown(first)}"
            for name, first in described.tied.items()
            if name in stored or first not in stored
        ]
        if problems:
            raise ValueError("\n  ".join(problems))
    except ValueError as error:
        raise CheckpointError(
            f"the description in {str(path)!r} is not one that memrix wrote:\n  {error}\nwrite the {kind.name} again"
        ) from error
    return {**stored, **{name: stored[first] for name, first in described.tied.items()}}, described.content


def content_digest(path: str | Path, kind: FileKind) -> str:
    """SHA-256 of tensors and description, hexadecimal: the same for all files of the same content.

    Files of one content may differ: safetensors writes the entries of its header in any order. What a file says of
    its content is checked by ``read_archive``, not here.

    Args:
        path: of the file.
        kind: what the file must be.

    Raises:
        CheckpointError: the file is missing, cut short, of a newer memrix, or not of memrix.
    """
    with _opened(path, kind) as file:
        return _metadata(file, path, kind)[_DIGEST]


@contextlib.contextmanager
def _opened(path: str | Path, kind: FileKind) -> Iterator[Any]:
    try:
        with safe_open(_path(path), framework="pt") as file:
            yield file
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no file {str(path)!r}; {kind.call} writes one") from error
    except (OSError, SafetensorError, UnicodeError) as error:
        raise CheckpointError(
            f"{str(path)!r} cannot be read: it is cut short, damaged or no {kind.name} that {kind.writer} wrote "
            f"({error})"
        ) from error


def _path(path: str | Path) -> Path:
    return file_path(path, CheckpointError, "the path of a file")


def _tensor(file: Any, name: str, path: str | Path, kind: FileKind) -> Tensor:  # noqa: ANN401 - safetensors has no type for it
    try:
        tensor: Tensor = file.get_tensor(name)
    except (SafetensorError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"tensor {shown(name)} in {str(path)!r} cannot be read ({error}); write the {kind.name} again"
        ) from error
    return tensor


def _metadata(file: Any, path: str | Path, kind: FileKind) -> dict[str, str]:  # noqa: ANN401 - safetensors has no type for it
    metadata: dict[str, str] = file.metadata() or {}
    version = metadata.get(_VERSION, "")
    if not {_DESCRIPTION, _DIGEST} <= metadata.keys() or not _is_version(version):
        raise CheckpointError(
            f"{str(path)!r} holds tensors, but no {kind.name} that {kind.writer} wrote; load them into a "
            "digital model instead"
        )
    if int(version) > FORMAT:
        raise CheckpointError(
            f"{str(path)!r} is of format {version}, and this memrix reads formats up to {FORMAT}; upgrade memrix"
        )
    return metadata


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) > 0


def _each_once(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Contiguous tensors on the CPU by their first names, and first names by the further ones."""
    stored: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    first_names: dict[tuple[Any, ...], str] = {}
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.dtype == torch.complex128:
            raise CheckpointError(
                f"tensor {name!r} ({tensor.dtype}, {tensor.layout}) cannot be stored in a safetensors file; "
                f"make it a dense tensor of ordinary numbers, or a buffer with persistent=False"
            )
        if tensor.is_meta:
            raise CheckpointError(f"tensor {name!r} is on the meta device and holds no values")
        place = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and place in first_names:
            tied[name] = first_names[place]
        else:
            first_names[place] = name
            stored[name] = tensor.detach().cpu().contiguous()
    # Tensors that overlap without being one, such as rows of another, are stored apart.
    storages = Counter(tensor.untyped_storage().data_ptr() for tensor in stored.values())
    return {
        name: tensor.clone() if storages[tensor.untyped_storage().data_ptr()] > 1 else tensor
        for name, tensor in stored.items()
    }, tied


def digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a description and of the tensors that go with it, as a file keeps it."""
    hashed = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        hashed.update(f"\0{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()
