"""Counts of layers by hand: parts of rows, shared converters, bits of inputs, and types of layers."""

import copy

import pytest
import torch
from torch import nn

import memrix
from memrix.model.cost_counters import OTHER

HARDWARE = memrix.Hardware(weight_bits=3)


def programmed(model, batches, hardware=HARDWARE, layers=None):
    memrix.calibrate(model, batches, hardware, layers=layers)
    return memrix.program(model, hardware, layers=layers)


def test_groups_of_a_convolution_have_their_own_word_lines():
    """Two groups of 2 channels, 3 x 3 taps and 3 outputs; 81 vectors of each of two images."""
    images = [torch.randn(2, 4, 9, 9)]
    (layer,) = memrix.costs(programmed(nn.Conv2d(4, 6, 3, padding=1, groups=2), images), images).layers
    assert layer.vectors == 2 * 81
    assert layer.products == 162 * 2 * 18 * 3
    assert layer.word_lines == 2 * 18 * 2  # two bit slices
    assert layer.conversions == 162 * 2 * 3 * 2
    assert layer.inputs_converted == 162 * 72


def test_a_recurrent_layer_reads_a_vector_for_each_step():
    batches = [torch.randn(2, 7, 8)]
    costs = memrix.costs(programmed(nn.LSTM(8, 6, batch_first=True), batches), batches)
    assert [(layer.vectors, layer.products) for layer in costs.layers] == [(14, 14 * 8 * 24), (14, 14 * 6 * 24)]
    assert costs.inputs == 2
    assert not costs.digital


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0]


def test_attention_on_a_chip_leaves_products_of_two_inputs_digital():
    batches = [torch.randn(2, 7, 8)]
    costs = memrix.costs(programmed(SelfAttention(), batches), batches)
    assert [layer.products for layer in costs.layers] == 4 * [14 * 64]
    (digital,) = costs.digital
    assert (digital.name, digital.products) == (OTHER, 2 * 2 * 7 * 7 * 8)


def test_rows_that_are_read_a_part_at_a_time_share_converters_and_take_turns():
    chips = [
        programmed(nn.Linear(200, 10), [torch.ones(3, 200)], HARDWARE.replace(wires=memrix.Wires(rows_at_once=rows)))
        for rows in (None, 32)
    ]
    whole, parts = (memrix.costs(chip, [torch.ones(3, 200)]) for chip in chips)
    assert parts.layers[0].phases == 4
    assert parts.layers[0].converters == whole.layers[0].converters == 2 * 2 * 10
    assert parts.layers[0].places == whole.layers[0].places
    assert parts.conversions == 7 * 2 * 10  # 200 rows in parts of 32, two bit slices
    assert parts.latency == pytest.approx(4 * whole.latency)


def test_columns_that_share_a_converter_take_turns():
    hardware = HARDWARE.replace(**{"adc.columns_per_converter": 8})
    layers = [
        memrix.costs(programmed(nn.Linear(20, 20), [torch.ones(3, 20)], chosen), [torch.ones(3, 20)]).by_layer[0]
        for chosen in (HARDWARE, hardware)
    ]
    assert layers[1].adc == layers[0].adc
    assert layers[1].latency == pytest.approx(10e-9 + 8 * (layers[0].latency - 10e-9))  # one reading of 10 ns
    saved = layers[0].converter_area - layers[1].converter_area
    assert saved == pytest.approx((2 * 20 - 2 * 3) * 1200e-12)  # two bit slices of 20 columns, with three each


def test_columns_of_a_tile_share_converters():
    shared = HARDWARE.replace(tile=memrix.Tile(128, 6), **{"adc.columns_per_converter": 4})
    (layer,) = memrix.costs(programmed(nn.Linear(200, 10), [torch.ones(3, 200)], shared), [torch.ones(3, 200)]).layers
    assert layer.converters == 2 * 2 * (2 + 1)  # a tile of 6 columns has two, one of 4 has one
    assert layer.turns == 4


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(200, 12), nn.Linear(12, 4)

    def forward(self, words):
        return self.head(self.embedding(words))


def test_a_row_that_is_looked_up_is_read_once_whatever_the_inputs_and_parts():
    words, model = torch.arange(10)[None], Words()
    whole, bits, parts = (
        memrix.costs(
            programmed(copy.deepcopy(model), [words], HARDWARE.replace(**changes), ["embedding", "head"]), [words]
        )
        for changes in ({}, {"dac.inputs": "bit-serial"}, {"wires": memrix.Wires(rows_at_once=32)})
    )
    for other in (bits, parts):
        assert other.layers[0].conversions == whole.layers[0].conversions == 10 * 12 * 2
        assert other.layers[0].power == pytest.approx(whole.layers[0].power, rel=1e-6)
        assert other.by_layer[0].latency == pytest.approx(whole.by_layer[0].latency)
    assert bits.layers[1].conversions == 7 * whole.layers[1].conversions == 7 * 10 * 4 * 2


def test_bits_of_inputs_of_a_part_of_the_rows_at_a_time_take_a_reading_each():
    hardware = HARDWARE.replace(**{"dac.inputs": "bit-serial"}, wires=memrix.Wires(rows_at_once=32))
    (layer,) = memrix.costs(
        programmed(nn.Linear(200, 10), [torch.ones(3, 200)], hardware), [torch.ones(3, 200)]
    ).layers
    assert layer.phases == 4 * 7
    assert layer.conversions == 3 * 7 * 7 * 2 * 10  # vectors, parts of 200 rows, bits, bit slices, outputs
    assert layer.inputs_converted == 3 * 200 * 2 * 7


def test_bits_of_inputs_take_a_reading_each():
    """An input of 1 is the largest code, all of whose bits drive the word line; one of 5 / 127 has two of seven."""
    model = nn.Linear(20, 10)
    layers = [
        memrix.costs(
            programmed(copy.deepcopy(model), [torch.ones(3, 20)], HARDWARE.replace(**{"dac.inputs": inputs})), [given]
        ).layers[0]
        for inputs, given in (
            ("multi-level", torch.ones(1, 20)),
            ("bit-serial", torch.ones(1, 20)),
            ("bit-serial", torch.full((1, 20), 5 / 127)),
        )
    ]
    multi, full, five = layers
    assert full.conversions == five.conversions == 7 * multi.conversions
    assert (full.phases, multi.phases) == (7, 1)
    assert (full.dac_bits, full.inputs_converted) == (1, 7 * multi.inputs_converted)
    assert full.power == pytest.approx(7 * multi.power, rel=1e-6)
    assert five.power == pytest.approx(2 * multi.power, rel=1e-6)
