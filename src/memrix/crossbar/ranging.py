"""The converter that suits the readings of one layer: where its bits go, and the gain in front of it."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from memrix.crossbar.adc import ADC, LEAST_GAIN, MOST_BITS, MOST_GAIN
from memrix.crossbar.crossbar import Crossbar

_ELEMENTS = 1 << 22  # of readings that are tried
_PART = 1 << 16  # of them that are tried at a time
_FEWEST_VECTORS = 16
_CANDIDATES = 25
_PER_OCTAVE = 4


@torch.no_grad()
def best_converter(crossbar: Crossbar, codes: Tensor, live: Tensor | None = None) -> ADC:
    """The ADC of as many bits as the crossbar's that changes the results of sample vectors least.

    Minimizes the mean square error of results, planes and tiles added up, over the step: that of the crossbar's own
    ADC, and from one that clips no reading to one 64 times finer, four an octave.

    Args:
        crossbar: programmed.
        codes: ``[groups, vectors, inputs]``.
        live: bool ``[groups, outputs]``: outputs that count, all by default; those of weights that are all 0 do not.
    """
    adc = crossbar.circuit.adc
    layout, cycles = crossbar.layout, crossbar.circuit.dac.cycle_weights
    size = crossbar.difference.shape[0] * crossbar.difference.shape[2] * len(cycles)
    readings = crossbar.readings(codes[:, : max(_FEWEST_VECTORS, _ELEMENTS // size)])
    # [row tiles * planes, groups * vectors * outputs], and what each row is worth in a result
    rows = readings.permute(1, 3, 0, 2, 4).flatten(2).flatten(0, 1)
    if live is not None and not bool(live.all()):
        rows = rows[:, live[:, None].expand(-1, readings.shape[2], -1).flatten()]
    largest = float(rows.abs().max()) if rows.numel() else 0.0
    if not largest:
        return replace(adc, per_layer=False)
    steps = [adc.step, *(largest / adc.largest_code * 2.0 ** (-finer / _PER_OCTAVE) for finer in range(_CANDIDATES))]
    planes = readings.new_tensor(layout.plane_weights).repeat(layout.row_tiles)
    worth = (readings.new_tensor(cycles)[:, None] * planes).flatten()
    changes = readings.new_zeros(len(steps), dtype=torch.float64)
    for part in torch.split(rows, max(1, _PART // len(rows)), dim=1):
        # In a buffer that stays in the cache: temporaries would cost more than the arithmetic.
        scaled = part.clone(memory_format=torch.contiguous_format)
        error = torch.empty_like(scaled)
        unit = 1.0
        for number, step in enumerate(steps):
            scaled.mul_(unit / step)
            unit = step
            torch.round(scaled, out=error).clamp_(-adc.largest_code, adc.largest_code).sub_(scaled)
            changes[number] += step**2 * torch.mv(error.t(), worth).square_().sum()
    return _split(adc, steps[int(changes.argmin())])


def _split(adc: ADC, step: float) -> ADC:
    """The same bits in all with a step as given: the gain stays near 1, the split does the rest."""
    precision = min(max(round(-math.log2(step)), adc.bits - MOST_BITS, 0), adc.bits, MOST_BITS)
    gain = min(max(2.0**-precision / step, LEAST_GAIN), MOST_GAIN)
    return replace(adc, precision_bits=precision, range_bits=adc.bits - precision, gain=gain, per_layer=False)
