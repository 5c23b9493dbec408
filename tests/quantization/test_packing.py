"""Low-bit weights as streams of bits: nothing changes on the way."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from memrix.errors import CheckpointError, SettingsError
from memrix.quantization import fake_quantize_rows, weight_integers, weight_step
from memrix.quantization.packing import full_scale, pack_integers, unpack_integers, unpacked_rows

BITS = range(2, 17)


@st.composite
def lists_of_integers(draw):
    bits = draw(st.sampled_from(BITS))
    limit = (1 << (bits - 1)) - 1
    return bits, draw(st.lists(st.integers(-limit, limit), max_size=70))


@settings(deadline=None)
@given(lists_of_integers())
def test_integers_of_any_bits_and_count_come_back(drawn):
    bits, integers = drawn
    packed = pack_integers(torch.tensor(integers, dtype=torch.int32), bits)
    assert packed.numel() == -(-len(integers) * bits // 8)
    assert unpack_integers(packed, bits, len(integers)).tolist() == integers


def test_the_stream_is_what_the_format_says():
    # 1, -1, 2 at 3 bits, least significant bit first: 100 111 01|0, and what is left is 0.
    assert pack_integers(torch.tensor([1, -1, 2]), 3).tolist() == [0b10111001, 0b0]
    assert pack_integers(torch.tensor([3, -3]), 4).tolist() == [0xD3]


@st.composite
def matrices(draw):
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 40))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1 << 30)))
    values = torch.randn(rows, columns, generator=generator) * draw(st.sampled_from([1e-30, 1e-3, 1.0, 3e7]))
    kind = draw(st.sampled_from(["normal", "half", "few values", "a row of zeros", "heavy tails"]))
    if kind == "half":
        values = values.clamp(-6e4, 6e4).half().float()
    elif kind == "few values":
        values = values.sign()
    elif kind == "a row of zeros":
        values[0] = 0
    elif kind == "heavy tails":
        values = values**3
    return values


@settings(deadline=None)  # the first call compiles the search for ranges
@given(
    matrices(),
    st.sampled_from([1.5, *range(2, 9)]),
    st.sampled_from(["per-tensor", "per-output-channel"]),
    st.sampled_from(["abs-max", "mean-square-error"]),
)
def test_unpacked_weights_have_the_same_integers_and_steps(rows, bits, scale, weight_range):
    step = weight_step(rows, bits, scale, weight_range)
    integers = weight_integers(rows, step, bits)
    packed_bits = 2 if bits == 1.5 else bits
    again = unpack_integers(pack_integers(integers, packed_bits), packed_bits, integers.numel()).view_as(integers)
    unpacked = unpacked_rows(again, full_scale(step, bits), bits)
    new_step = weight_step(unpacked, bits, scale, weight_range)
    assert torch.equal(new_step, step)
    assert torch.equal(weight_integers(unpacked, new_step, bits), integers)
    assert torch.equal(fake_quantize_rows(unpacked, new_step, bits), fake_quantize_rows(rows, step, bits))


@pytest.mark.parametrize("bits", [1, 17, 2.5, True, None])
def test_other_bits_are_refused(bits):
    with pytest.raises(SettingsError, match="from 2 to 16 bits, got"):
        pack_integers(torch.zeros(1, dtype=torch.int32), bits)
    with pytest.raises(SettingsError, match="from 2 to 16 bits, got"):
        unpack_integers(torch.zeros(1, dtype=torch.uint8), bits, 1)


def test_integers_that_need_more_bits_are_refused():
    with pytest.raises(SettingsError, match="between -3 and 3, got -4; pack them at more bits"):
        pack_integers(torch.tensor([1, -4]), 3)
    with pytest.raises(SettingsError, match=r"expected integers, .* got torch.float32"):
        pack_integers(torch.ones(2), 3)


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (torch.zeros(1, dtype=torch.uint8), "are a uint8 tensor of 2 bytes, got torch.uint8 \\[1\\]"),
        (torch.zeros(2, dtype=torch.int8), "got torch.int8"),
        (torch.zeros(2, 1, dtype=torch.uint8), "got torch.uint8 \\[2, 1\\]"),
        (torch.tensor([0, 0x80], dtype=torch.uint8), "bits after the last packed integer are not 0"),
        (torch.tensor([0b100, 0], dtype=torch.uint8), "is -4, and none is below -3"),
    ],
)
def test_what_is_no_stream_of_integers_is_refused(packed, message):
    with pytest.raises(CheckpointError, match=message):
        unpack_integers(packed, 3, 3)
