"""The record of a crossbar: where its streams of noise are, and how often its ADCs were used."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# Elements of a record, int64: the key of the stream of the read noise, readings so far, how often the ADCs converted
# and clipped, and the key of the stream of the ADCs' own noise.
KEY, READINGS, CONVERSIONS, CLIPPED, ADC_KEY = range(5)
LENGTH = 5


class Recorded(nn.Module):
    """A module with a record of its own, also in another process: its buffer ``record``.

    Tensors of what is sent to a process lie in memory that both share, and so would the numbers of their readings.
    """

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        record = self._buffers["record"]
        if record is not None and record.device.type == "cpu":
            state["_buffers"] = {**self._buffers, "record": record.tolist()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        record = state["_buffers"]["record"]
        if isinstance(record, list):
            # What inference mode makes could not be changed outside of it.
            with torch.inference_mode(False):
                state["_buffers"]["record"] = torch.tensor(record, dtype=torch.int64)
        super().__setstate__(state)  # type: ignore[no-untyped-call]


def count_readings_(record: Tensor, readings: int, conversions: int, clipped: int | Tensor) -> None:
    """Count readings and their conversions; on a GPU, nothing waits for it."""
    if isinstance(clipped, int):
        record.numpy()[READINGS : CLIPPED + 1] += (readings, conversions, clipped)
        return
    counted = [clipped.new_tensor(number) for number in (readings, conversions)]
    record[READINGS : CLIPPED + 1] += torch.stack([*counted, clipped])
