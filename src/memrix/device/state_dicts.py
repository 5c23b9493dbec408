"""The state of an array of cells as tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from memrix._support.random import Seeds
from memrix._support.streams import Stream
from memrix._support.validation import shown
from memrix.device.block import BLOCK_AXES
from memrix.device.draws import CellStreams
from memrix.errors import SettingsError

if TYPE_CHECKING:
    from memrix.device.cells import Cells

_HALF_BITS = 32
_KEY_BITS = 64  # of a stream, of which tensors hold one less with a sign


def state_of(cells: Cells) -> dict[str, Tensor]:
    """All that the future of cells depends on."""
    state = {name: getattr(cells._block, name).clone() for name in BLOCK_AXES}
    # Young cells carry no slots that they have not filled.
    slots = cells.order - state["history"].shape[1]
    state["history"] = torch.nn.functional.pad(state["history"], (0, 0, slots, 0))
    state["r"] = cells.r.clone()
    state["readings"] = cells._readings.clone()
    power = divmod(cells.power, 1 << _HALF_BITS)
    state["counts"] = torch.tensor([cells.pulses, *power, cells.reads, cells.disturbing_reads])
    streams = cells.streams
    keys = [stream.key for stream in (streams.devices, streams.cycles, streams.readings)]
    state["streams"] = torch.tensor([*(_signed(key) for key in keys), streams.first])
    seeds = cells.seeds
    state["seeds"] = torch.tensor([] if seeds is None else [seeds.chip, seeds.programming, seeds.read]).long()
    return state


def load_state(cells: Cells, state: Mapping[str, Tensor]) -> None:
    """Let cells take over what ``state_of`` gave, or raise SettingsError."""
    _require_fit(cells, state)
    # What can still be wrong is found out before anything is taken over.
    try:
        seeds = Seeds(*state["seeds"].tolist()) if state["seeds"].numel() else None
    except SettingsError as error:
        raise SettingsError(f"this state has no valid seeds: {error}") from error
    block = cells._block
    for name in ("r", *BLOCK_AXES):
        value = state[name].to(cells.device, copy=True)
        setattr(block, name, value.reshape(-1) if name == "r" else value.contiguous())
    cells._readings = state["readings"].to(cells.device, copy=True)
    cells.pulses, high, low, cells.reads, cells.disturbing_reads = state["counts"].tolist()
    cells.power = (high << _HALF_BITS) + low
    *keys, first = state["streams"].tolist()
    cells.seeds = seeds
    devices, cycles, readings = (Stream(key % (1 << _KEY_BITS)) for key in keys)
    cells.streams = CellStreams(devices, cycles, readings, first)
    block.stream, block.numbers = cells.streams.cycles, cells.streams.numbers(block.r.numel(), cells.device)


def _require_fit(cells: Cells, state: Mapping[str, Tensor]) -> None:
    own = state_of(cells)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise SettingsError(f"the state of cells is a dict of tensors, as state_dict() gives it, got {shown(state)}")
    problems = [f"{name} is missing" for name in own if name not in state]
    problems += [f"{name} is not part of cells" for name in state if name not in own]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    problems += [
        f"{name} is of type {state[name].dtype}, expected {own[name].dtype}"
        for name in own
        if name in state and state[name].dtype != own[name].dtype
    ]
    if problems:
        raise SettingsError(
            f"this state is not one of cells of shape {tuple(cells.shape)}, order {cells.order}, on "
            f"{cells.device.type}:\n  " + "\n  ".join(problems)
        )


def _signed(key: int) -> int:
    return key - (1 << _KEY_BITS) if key >> (_KEY_BITS - 1) else key
