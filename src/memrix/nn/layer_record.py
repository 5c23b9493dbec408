"""The record of a layer on a chip: everything except its tensors, in plain numbers and strings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from memrix._support.documents import parse_json
from memrix._support.random import Seeds
from memrix._support.schema import Between, read
from memrix._support.stored_seeds import known_streams
from memrix._support.streams import STREAM_VERSION
from memrix._support.validation import shown
from memrix.crossbar import ADC, Reach
from memrix.crossbar.protocols import ProgrammingReport
from memrix.errors import CheckpointError
from memrix.hardware import Hardware

_STREAMS = "streams"  # beside the fields of a record, in a tensor


@dataclass(frozen=True)
class LayerRecord:
    """A programmed layer, but for its tensors.

    Attributes:
        hardware: it was programmed for.
        adc: the ADC of the layer: that of the hardware, or one fitted to the layer.
        nominal_states: mean state of ON and of OFF cells.
        report: what it took to program the cells.
        seeds: it was programmed with.
        read_seed: of the present stream of read noise, derived from a seed and the layer's name.
        reach: the cells that a reading may switch, as programmed; None where that is not known, as in files of
            earlier versions.
        wire_share: share of the current of all cells that wires let through.
        wire_scales: least and largest scale at which columns that were programmed for their wires hold the weights.
    """

    hardware: Hardware
    adc: ADC
    nominal_states: tuple[float, float]
    report: ProgrammingReport
    seeds: Seeds
    read_seed: Annotated[int, Between(0, (1 << 63) - 1)]
    reach: Reach | None = None
    wire_share: float = 1.0
    wire_scales: tuple[float, float] = (1.0, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and tables."""
        return {**asdict(self), "hardware": self.hardware.to_dict()}

    def to_tensor(self) -> Tensor:
        """JSON as uint8 ``[bytes]``: what a ``state_dict`` can carry without pickle."""
        plain = {**self.to_dict(), _STREAMS: STREAM_VERSION}
        return torch.tensor(list(json.dumps(plain).encode()), dtype=torch.uint8)

    @classmethod
    def from_tensor(cls, state: Tensor) -> tuple[LayerRecord, int]:
        """The opposite of ``to_tensor``, and the version of the random streams that its seeds are of.

        Raises:
            CheckpointError: the tensor holds no record.
        """
        try:
            if not isinstance(state, Tensor) or state.dtype != torch.uint8 or state.dim() != 1:
                raise ValueError(f"it must be a tensor of bytes, got {_described(state)}")
            plain = parse_json(bytes(state.tolist()).decode())
            streams = plain.pop(_STREAMS, 1) if isinstance(plain, dict) else 1
            return read(cls, plain), known_streams(streams)
        except ValueError as error:
            raise CheckpointError(
                f"the extra state of a layer on a chip cannot be read:\n  {error}\nload the state_dict of a chip of "
                f"this version of memrix"
            ) from error


def _described(state: object) -> str:
    return f"{list(state.shape)} of {state.dtype}" if isinstance(state, Tensor) else shown(state)


def differing_settings(given: Hardware, expected: Hardware) -> list[str]:
    """``name = value, here value`` for every setting that two chips do not share."""
    theirs, ours = _flat(given.to_dict()), _flat(expected.to_dict())
    return [
        f"{name} = {theirs.get(name, 'not set')!r}, here {ours.get(name, 'not set')!r}"
        for name in {**ours, **theirs}
        if theirs.get(name) != ours.get(name)
    ]


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return flat
