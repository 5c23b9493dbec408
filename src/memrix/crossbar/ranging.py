"""The converter that suits the readings of one layer: where its bits go, and the gain in front of it."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from memrix.crossbar.converters import ADC, MOST_BITS
from memrix.crossbar.crossbar import Crossbar

_ELEMENTS = 1 << 22  # of readings that are tried
_FEWEST_VECTORS = 16
_CANDIDATES = 25
_PER_OCTAVE = 4


@torch.no_grad()
def best_converter(crossbar: Crossbar, codes: Tensor) -> ADC:
    """The ADC of as many bits as the crossbar's that changes the results of sample vectors least.

    Minimises the mean square error of results, planes and tiles added up, over the step: that of the crossbar's own
    ADC, and from one that clips no reading to one 64 times finer, four an octave.

    Args:
        crossbar: programmed.
        codes: ``[groups, vectors, inputs]``.
    """
    adc = crossbar.circuit.adc
    size = crossbar.difference.shape[0] * crossbar.difference.shape[2]
    readings = crossbar.readings(codes[:, : max(_FEWEST_VECTORS, _ELEMENTS // size)])
    largest = float(readings.abs().max()) if readings.numel() else 0.0
    if not largest:
        return replace(adc, per_layer=False)
    limit = adc.largest_code
    weights = readings.new_tensor(crossbar.layout.plane_weights)
    best, least = adc.step, math.inf
    for step in [adc.step, *(largest / limit * 2.0 ** (-finer / _PER_OCTAVE) for finer in range(_CANDIDATES))]:
        error = torch.round(readings / step).clamp_(-limit, limit).mul_(step).sub_(readings)
        # [groups, vectors, outputs]
        change = float(torch.einsum("gtvpo,p->gvo", error, weights).square_().mean())
        if change < least:
            best, least = step, change
    return _split(adc, best)


def _split(adc: ADC, step: float) -> ADC:
    """The same bits in all with a step as given: the gain stays near 1, the split does the rest."""
    precision = min(max(round(-math.log2(step)), adc.bits - MOST_BITS, 0), adc.bits, MOST_BITS)
    return replace(
        adc, precision_bits=precision, range_bits=adc.bits - precision, gain=2.0**-precision / step, per_layer=False
    )
