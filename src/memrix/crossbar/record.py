"""The record of a crossbar: where its streams of noise are, and how often its ADCs were used."""

from __future__ import annotations

import torch
from torch import Tensor

# Elements of a record, int64: the key of the stream of the read noise, readings so far, how often the ADCs converted
# and clipped, and the key of the stream of the ADCs' own noise.
KEY, READINGS, CONVERSIONS, CLIPPED, ADC_KEY = range(5)
LENGTH = 5


def count_readings_(record: Tensor, readings: int, conversions: int, clipped: int | Tensor) -> None:
    """Count readings and their conversions; on a GPU, nothing waits for it."""
    if isinstance(clipped, int):
        record.numpy()[READINGS : CLIPPED + 1] += (readings, conversions, clipped)
        return
    counted = [clipped.new_tensor(number) for number in (readings, conversions)]
    record[READINGS : CLIPPED + 1] += torch.stack([*counted, clipped])
