"""Reader of the weight files of CTranslate2 (``model.bin``)."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from memrix.errors import AssetError

VERSION = 6
_DTYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    1: np.dtype("i1"),
    2: np.dtype("<i2"),
    3: np.dtype("<i4"),
    4: np.dtype("<f2"),
}


def read_model(source: bytes | Path | BinaryIO) -> dict[str, Tensor]:
    """Variables of a ``model.bin`` by name, aliases included, in the types of the file.

    Raises:
        AssetError: cut off, damaged, or of another version or type than those known.
    """
    reader = _Reader(_contents(source))
    version = reader.number("I")
    if version != VERSION:
        raise AssetError(f"CTranslate2 model of version {version}, expected {VERSION}; convert it again")
    reader.text()  # name of the architecture
    reader.number("I")  # its revision
    variables: dict[str, Tensor] = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        variables[name] = reader.variable(name)
    for _ in range(reader.number("I")):
        alias, name = reader.text(), reader.text()
        if name not in variables:
            raise AssetError(f"damaged CTranslate2 model: {alias!r} stands for {name!r}, which is not in the file")
        variables[alias] = variables[name]
    reader.finish()
    return variables


def _contents(source: bytes | Path | BinaryIO) -> bytes:
    if isinstance(source, bytes):
        return source
    if not isinstance(source, Path):
        return source.read()
    try:
        return source.read_bytes()
    except OSError as error:
        raise AssetError(f"cannot read the CTranslate2 model {source} ({error.strerror}); check the path") from error


class _Reader:
    """Position in the bytes of a file; each method reads one item, all little-endian."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._position = 0

    def take(self, count: int) -> memoryview:
        end = self._position + count
        if end > len(self._data):
            raise AssetError(
                f"CTranslate2 model cut off: {len(self._data)} bytes, at least {end} expected; fetch it again"
            )
        part = self._data[self._position : end]
        self._position = end
        return part

    def number(self, code: str) -> int:
        layout = struct.Struct("<" + code)
        value: int = layout.unpack(self.take(layout.size))[0]
        return value

    def text(self) -> str:
        """Length with its trailing NUL, then the characters."""
        raw = bytes(self.take(self.number("H")))
        try:
            return raw.removesuffix(b"\0").decode()
        except UnicodeDecodeError as error:
            raise AssetError("damaged CTranslate2 model: a name is not text; fetch it again") from error

    def variable(self, name: str) -> Tensor:
        shape = [self.number("I") for _ in range(self.number("B"))]
        code = self.number("B")
        if code not in _DTYPES:
            raise AssetError(
                f"CTranslate2 variable {name!r} has type {code}, known are {sorted(_DTYPES)}; "
                "convert the model with quantization float16 or float32"
            )
        size, expected = self.number("I"), math.prod(shape) * _DTYPES[code].itemsize
        if size != expected:
            raise AssetError(
                f"damaged CTranslate2 model: {name!r} of shape {shape} has {size} bytes, expected "
                f"{expected}; fetch it again"
            )
        values = np.frombuffer(self.take(size), dtype=_DTYPES[code]).reshape(shape)
        return torch.from_numpy(values.copy())

    def finish(self) -> None:
        left = len(self._data) - self._position
        if left:
            raise AssetError(f"damaged CTranslate2 model: {left} bytes after its end; fetch it again")
