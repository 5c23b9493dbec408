"""ADCs with errors: what each draws with the chip, and what it makes of readings.

A converter reads ``y = (1 + g) x + o + n`` in place of ``x``, in LSB: ``g`` and ``o`` are drawn for each converter,
the noise ``n`` for each conversion. The terms are those of IEEE Std 1241-2010.

With mismatched capacitors, it is a successive-approximation (SAR) converter by charge redistribution (McCreary and
Gray, IEEE J. Solid-State Circuits 10 (1975) 371): ``B`` binary-weighted capacitors of ``C_k = 2**k`` units and one
terminating unit. ``C_k`` is made of ``2**k`` units, so its standard deviation is ``sigma * 2**(k / 2)`` units. Bit
``k`` weighs ``2**B C_k / sum(C)`` LSB. From the highest bit on, a bit is set where what remains of the input is at
least its weight. Input 0 lies in the middle of the codes, where all ``2**B - 1`` units change over. There the
standard deviation of the non-linearity is largest: ``sigma * sqrt(2**B - 1)`` LSB of the differential, and
``sigma * sqrt(2**B) / 2`` LSB of the integral one. CrossSim (``sar_adc``; Spear et al., 10.1109/JXCDC.2023.3315134)
has the same capacitors in a converter of sign and magnitude, which is therefore exact at 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from memrix._support.streams import WORDS, Stream, normal_block_at, normal_table
from memrix.crossbar.adc import ADC, convert_
from memrix.crossbar.mapping import Layout
from memrix.device.draws import TWO_WORDS, joined, normals, words

GAIN, OFFSET, LOWEST_BIT, CAPACITORS = range(4)
"""Rows of the errors of converters: factor, LSB, the least step between codes, then LSB that each bit weighs."""


class Converters(NamedTuple):
    """The ADCs of a crossbar.

    Attributes:
        errors: float32 ``[3 or 3 + bits, arrays, columns]``: see ``GAIN``.
        noise: standard deviation of a conversion, in LSB.
        key: of the stream of that noise, an int64 scalar.
    """

    errors: Tensor
    noise: float
    key: Tensor


def draw_errors(adc: ADC, layout: Layout, stream: Stream, device: torch.device) -> Tensor | None:
    """The errors of the converters of a crossbar, as ``Converters`` has them; None if they are ideal.

    Converters are numbered tile by tile: row tiles of all groups, then bit slices, then column tiles, then groups of
    columns. Converter ``c`` has the words of index ``c``: of draw 0 normals of gain and offset, and two words that
    decide whether its lowest bit is stuck; of the draws from 1 on the normals of its capacitors from the lowest bit
    on, and at last of the terminating unit.

    Args:
        adc: settings.
        layout: tiles.
        stream: of the chip and the crossbar.
        device: the errors are to lie on.
    """
    if adc.ideal:
        return None
    numbers = converter_numbers(adc, layout, device)
    drawn = words(stream, numbers.flatten())[:4].view(4, *numbers.shape)
    gain, offset = normal_table(device)[drawn[:2]]
    stuck = joined(drawn[2], drawn[3]) < round(adc.stuck_lsb * TWO_WORDS)
    rows = [gain * adc.gain_error + 1, offset * adc.offset_error, stuck.float() + 1]
    return torch.stack(rows + _bit_weights(adc, stream, numbers))


def converter_numbers(adc: ADC, layout: Layout, device: torch.device) -> Tensor:
    """The number of the converter of every column, int64 ``[arrays, columns]``; parts of a tile share theirs."""
    width, shared = min(layout.tile.columns, layout.outputs), adc.columns_per_converter
    output = torch.arange(layout.outputs, device=device)
    tile, column = output // width, output % width
    in_tile, column_tiles = -(-width // shared), -(-layout.outputs // width)
    of_plane = tile * in_tile + column // shared
    row_tiles = -(-layout.row_tiles // layout.parts)
    group, part = (torch.arange(count, device=device) for count in (layout.groups, layout.row_tiles))
    row_tile = (group[:, None] * row_tiles + part // layout.parts).flatten()
    plane = row_tile[:, None] * layout.planes + torch.arange(layout.planes, device=device)
    return (plane[:, :, None] * (column_tiles * in_tile) + of_plane).flatten(1)


def _bit_weights(adc: ADC, stream: Stream, numbers: Tensor) -> list[Tensor]:
    """What every bit weighs, from the lowest on, in LSB; nothing where capacitors match."""
    if not adc.capacitor_mismatch:
        return []
    drawn = torch.cat(
        [normals(stream, numbers.flatten(), 1 + at // WORDS) for at in range(0, adc.bits + 1, WORDS)]
    ).view(-1, *numbers.shape)
    units = [2.0**bit for bit in range(adc.bits)] + [1.0]
    capacitors = [
        size + adc.capacitor_mismatch * math.sqrt(size) * normal
        for size, normal in zip(units, drawn[: adc.bits + 1].double(), strict=True)
    ]
    total = sum(capacitors[1:], capacitors[0])  # in this order, on any device
    return [(capacitor / total * 2.0**adc.bits).float() for capacitor in capacitors[:-1]]


def convert_with_errors_(
    steps: Tensor, limit: float, converters: Converters, numbers: Tensor, errors: Tensor | None = None
) -> Tensor:
    """Convert readings ``[arrays, n, columns]`` in units of the step, in place.

    Args:
        steps: float32.
        limit: ``ADC.largest_code``.
        converters: that convert them.
        numbers: of the readings, int64 ``[n]``.
        errors: of the converters, where others than theirs, of a shape that broadcasts with ``[rows, *steps]``.

    Returns:
        How many were clipped, an int64 scalar.
    """
    gain, offset, lowest_bit, *weights = converters.errors[:, :, None] if errors is None else errors
    steps.mul_(gain).add_(offset)
    if converters.noise:
        arrays, readings, columns = steps.shape
        drawn = normal_block_at(converters.key, numbers, arrays * columns).mul_(converters.noise)
        steps += drawn.view(readings, arrays, columns).transpose(0, 1)
    clipped = _approximate_(steps, limit, weights) if weights else convert_(steps, limit)
    # Codes count from the lower end of the range, an even number: bits of what lies below 0 are those of the
    # complement.
    steps.div_(lowest_bit).floor_().mul_(lowest_bit)
    return clipped


def _approximate_(steps: Tensor, limit: float, weights: list[Tensor]) -> Tensor:
    """Find codes by successive approximation, in place; how many inputs were beyond the range."""
    rest = steps + (limit + 0.5)
    clipped = ((rest < 0) | (rest >= 2 * limit)).sum()
    steps.fill_(-limit)
    for bit in reversed(range(len(weights))):
        kept = (rest >= weights[bit]).float()
        rest -= kept * weights[bit]
        steps.add_(kept, alpha=2.0**bit)
    return clipped
