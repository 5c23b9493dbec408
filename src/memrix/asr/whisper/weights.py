"""Weights of a CTranslate2 Whisper (``model.bin``) under the names of ``WhisperForConditionalGeneration``."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

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

_OUTSIDE_BLOCKS = {
    "encoder/conv1/weight": "model.encoder.conv1.weight",
    "encoder/conv1/bias": "model.encoder.conv1.bias",
    "encoder/conv2/weight": "model.encoder.conv2.weight",
    "encoder/conv2/bias": "model.encoder.conv2.bias",
    "encoder/position_encodings/encodings": "model.encoder.embed_positions.weight",
    "encoder/layer_norm/gamma": "model.encoder.layer_norm.weight",
    "encoder/layer_norm/beta": "model.encoder.layer_norm.bias",
    "decoder/embeddings/weight": "model.decoder.embed_tokens.weight",
    "decoder/position_encodings/encodings": "model.decoder.embed_positions.weight",
    "decoder/layer_norm/gamma": "model.decoder.layer_norm.weight",
    "decoder/layer_norm/beta": "model.decoder.layer_norm.bias",
    "decoder/projection/weight": "proj_out.weight",
}
_BLOCK = re.compile(
    r"(?P<side>encoder|decoder)/layer_(?P<index>\d+)/(?P<part>self_attention|attention|ffn)/"
    r"(?P<layer>layer_norm|linear_\d)/(?P<kind>weight|bias|gamma|beta)"
)
_IN_BLOCKS = {
    ("self_attention", "layer_norm"): ("self_attn_layer_norm",),
    ("self_attention", "linear_0"): ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attention", "linear_1"): ("self_attn.out_proj",),
    ("attention", "layer_norm"): ("encoder_attn_layer_norm",),
    ("attention", "linear_0"): ("encoder_attn.q_proj",),
    ("attention", "linear_1"): ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    ("attention", "linear_2"): ("encoder_attn.out_proj",),
    ("ffn", "layer_norm"): ("final_layer_norm",),
    ("ffn", "linear_0"): ("fc1",),
    ("ffn", "linear_1"): ("fc2",),
}
"""Names, inside one block, of what a variable holds."""
_KINDS = {"gamma": "weight", "beta": "bias"}


def read_model(content: bytes) -> dict[str, Tensor]:
    """Variables of the content of a ``model.bin`` by name, aliases included, in the types of the file.

    Raises:
        AssetError: cut off, damaged, or of another version or type than those known.
    """
    reader = _Reader(content)
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


def whisper_state(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict in float32 for ``WhisperForConditionalGeneration``; fused projections are cut apart.

    Raises:
        AssetError: a weight without a counterpart, or a key bias that is not zero (Whisper has none).
    """
    state: dict[str, Tensor] = {}
    for name, values in variables.items():
        # Integers hold settings of CTranslate2's runtime (number of heads, kind of activation), not weights.
        if values.is_floating_point():
            state.update(_renamed(name, values.float()))
    return state


def _renamed(name: str, values: Tensor) -> Iterator[tuple[str, Tensor]]:
    if name in _OUTSIDE_BLOCKS:
        yield _OUTSIDE_BLOCKS[name], values
        return
    block = _BLOCK.fullmatch(name)
    targets = _IN_BLOCKS.get((block["part"], block["layer"]), ()) if block else ()
    if not block or not targets:
        raise AssetError(f"the weight {name!r} has no place in Whisper; expected the weights of a Whisper model")
    if len(values) % len(targets):
        raise AssetError(f"{name!r} of shape {list(values.shape)} cannot be cut into {len(targets)} projections")
    kind = _KINDS.get(block["kind"], block["kind"])
    for target, part in zip(targets, values.chunk(len(targets)), strict=True):
        if target.endswith("k_proj") and kind == "bias":
            if part.count_nonzero():
                raise AssetError(f"{name!r} has a bias for the keys, which Whisper does not; fetch the model again")
            continue
        # A copy, so that changing one projection in place leaves those cut from the same variable alone.
        yield f"model.{block['side']}.layers.{block['index']}.{target}.{kind}", part.clone()
