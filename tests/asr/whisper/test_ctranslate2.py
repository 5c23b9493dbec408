import struct

import numpy as np
import pytest
import torch

from memrix.asr.whisper.weights import read_model
from memrix.errors import AssetError


def text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def variable(name: str, array: np.ndarray, code: int) -> bytes:
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    return text(name) + shape + struct.pack("<BI", code, array.nbytes) + array.tobytes()


def model(*variables: bytes, aliases: tuple[tuple[str, str], ...] = (), version: int = 6) -> bytes:
    header = struct.pack("<I", version) + text("Toy") + struct.pack("<II", 3, len(variables))
    tail = struct.pack("<I", len(aliases)) + b"".join(text(a) + text(b) for a, b in aliases)
    return header + b"".join(variables) + tail


MATRIX = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 0.25]])


@pytest.mark.parametrize(
    ("code", "dtype", "expected"),
    [
        (0, "<f4", torch.float32),
        (1, "i1", torch.int8),
        (2, "<i2", torch.int16),
        (3, "<i4", torch.int32),
        (4, "<f2", torch.float16),
    ],
)
def test_each_type_is_read_in_its_shape(code, dtype, expected):
    values = MATRIX.astype(dtype)
    read = read_model(model(variable("w", values, code)))["w"]
    assert read.dtype == expected
    np.testing.assert_array_equal(read.numpy(), values)


def test_scalars_and_aliases_are_read():
    variables = read_model(model(variable("heads", np.int16(6), 2), aliases=(("other", "heads"),)))
    assert variables["heads"].shape == ()
    assert variables["other"].item() == 6


def test_a_model_cut_off_at_any_byte_is_an_error():
    data = model(variable("w", MATRIX.astype("<f4"), 0), aliases=(("other", "w"),))
    for length in range(len(data)):
        with pytest.raises(AssetError, match="cut off"):
            read_model(data[:length])


def test_bytes_after_the_end_are_an_error():
    with pytest.raises(AssetError, match="2 bytes after its end"):
        read_model(model() + b"xx")


def test_an_unknown_version_is_an_error():
    with pytest.raises(AssetError, match="version 7, expected 6"):
        read_model(model(version=7))


def test_an_unknown_type_is_an_error():
    with pytest.raises(AssetError, match="'w' has type 9, known are"):
        read_model(model(variable("w", MATRIX.astype("<f4"), 9)))


def test_a_size_that_does_not_fit_the_shape_is_an_error():
    with pytest.raises(AssetError, match=r"'w' of shape \[2, 3\] has 24 bytes, expected 12"):
        read_model(model(variable("w", MATRIX.astype("<f4"), 4)))


def test_an_alias_of_nothing_is_an_error():
    with pytest.raises(AssetError, match="'other' stands for 'w'"):
        read_model(model(aliases=(("other", "w"),)))
