"""What a report shows of a chip: readings of its ADCs, states of its cells, and the wires of a tile."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from memrix.crossbar import ADC, Wires, rows_in_use
from memrix.crossbar.wired import shares_through
from memrix.model.batches import run_batches
from memrix.model.conversion import crossbar_layers
from memrix.model.modes import evaluating, unread
from memrix.nn.cached_read import of_torch_layer
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.programming import integers_of

BINS = 81  # of a histogram; odd: 0 is in the middle of one
SHOWN_LIMITS = 1.5  # readings are shown up to so many clip limits
_MOST_READINGS = 1 << 20  # of a layer
_FEWEST_VECTORS = 16
_CALLS = 8  # that the vectors of a layer are taken from, at least


@dataclass(frozen=True)
class AdcHistogram:
    """Readings of a layer in front of its ADCs, without noise; 1 is the current of a nominal pair at full input.

    Attributes:
        name: of the layer.
        adc: that it is read with.
        counts: of readings, in ``BINS`` equal parts of ``SHOWN_LIMITS`` on either side; those beyond are in the last.
        readings: how many.
        clipped: share of them beyond a limit.
        largest: magnitude.
        deviation: root mean square.
    """

    name: str
    adc: ADC
    counts: tuple[int, ...]
    readings: int
    clipped: float
    largest: float
    deviation: float

    @property
    def limit(self) -> float:
        """Readings beyond it, on either side, are clipped."""
        return self.adc.largest_code * self.adc.step


@dataclass(frozen=True)
class LevelStates:
    """States of the cells that were programmed to one level.

    Attributes:
        level: from 0 (OFF) to 1 (ON).
        counts: of cells, in ``BINS`` equal parts from state 0 to 1; those beyond are in the first and the last.
        mean: state.
        deviation: standard deviation of the states.
    """

    level: float
    counts: tuple[int, ...]
    mean: float
    deviation: float


@dataclass(frozen=True)
class WiresMap:
    """What wires let through of the cells of the positive array of a tile.

    Attributes:
        name: of the layer.
        wires: around the tile.
        shares: of the current of each cell that counts, ``[rows, columns]``.
    """

    name: str
    wires: Wires
    shares: Tensor


def adc_histograms(chip: nn.Module, batches: Iterable[Any]) -> tuple[AdcHistogram, ...]:
    """Histograms of the readings of every layer while batches run; the chip is left as it was.

    Args:
        chip: as ``memrix.program`` gave it.
        batches: of inputs, as for ``memrix.calibrate``.

    Raises:
        CalibrationError: a batch cannot be run, or there is none.
    """
    if any(layer.memrix.programmed.crossbar.word_lines is not None for layer in crossbar_layers(chip)):
        chip = copy.deepcopy(chip)  # readings switch its cells
    layers = [layer for layer in crossbar_layers(chip) if layer.memrix.geometry.observed]
    seen: dict[CrossbarLayer, list[Tensor]] = {layer: [] for layer in layers}
    hooks = [layer.register_forward_pre_hook(partial(_take, seen[layer]), with_kwargs=True) for layer in layers]
    try:
        with unread(crossbar_layers(chip)), evaluating(chip):
            run_batches(chip, batches)
            return tuple(_histogram(layer, torch.cat(codes, 1)) for layer, codes in seen.items() if codes)
    finally:
        for hook in hooks:
            hook.remove()


def _most_vectors(layer: CrossbarLayer) -> int:
    crossbar = layer.memrix.programmed.crossbar
    of_vector = crossbar.layout.conversions * len(crossbar.circuit.dac.cycle_weights)
    return max(_FEWEST_VECTORS, _MOST_READINGS // of_vector)


def _take(seen: list[Tensor], layer: CrossbarLayer, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Keep DAC codes of some input vectors of a call, as a hook."""
    state, most = layer.memrix, _most_vectors(layer)
    left = most - sum(codes.shape[1] for codes in seen)
    if left <= 0:
        return
    input, _ = state.geometry.bind(inputs, of_torch_layer(named))
    vectors = state.geometry.unfold(layer, input.detach().float()).flatten(1, 2)  # [groups, vectors, inputs]
    some = torch.linspace(0, vectors.shape[1] - 1, min(left, vectors.shape[1], -(-most // _CALLS))).long()
    seen.append(state.chip.dac.codes(vectors[:, some.to(vectors.device)], state.activation_step))


def _histogram(layer: CrossbarLayer, codes: Tensor) -> AdcHistogram:
    crossbar = layer.memrix.programmed.crossbar
    adc = crossbar.circuit.adc
    limit = adc.largest_code * adc.step
    readings = crossbar.readings(codes).flatten().cpu()
    magnitudes = readings.abs()
    end = SHOWN_LIMITS * limit
    return AdcHistogram(
        layer.memrix.name,
        adc,
        _counted(readings, -end, end),
        readings.numel(),
        float((magnitudes > limit + adc.step / 2).float().mean()),
        float(magnitudes.max()),
        float(readings.square().mean().sqrt()),
    )


def _counted(values: Tensor, low: float, high: float) -> tuple[int, ...]:
    return tuple(map(int, torch.histc(values.float().clamp(low, high), BINS, low, high).tolist()))


@torch.no_grad()
def cell_states(chip: nn.Module) -> tuple[LevelStates, ...]:
    """States of all cells of a chip as readings see them, through wires, by the level that they were programmed to.

    A chip without read noise keeps the differences of pairs alone: it has no states then, unless time changes them.
    """
    found: dict[float, _States] = {}
    for layer in crossbar_layers(chip):
        crossbar = layer.memrix.programmed.crossbar
        held = crossbar if crossbar.total.numel() else crossbar.as_programmed
        if held is None:
            continue
        difference, total = (rows_in_use(states, crossbar.layout) for states in (held.difference, held.total))
        for plane, *targets in crossbar.layout.targets(integers_of(layer)[1]):
            for sign, levels in zip((1, -1), targets, strict=True):
                states = torch.add(total[:, :, plane], difference[:, :, plane], alpha=sign).div_(2)
                for level in torch.unique(levels).tolist():
                    found.setdefault(round(float(level), 6), _States()).add(states[levels == level])
    return tuple(found[level].summary(level) for level in sorted(found))


class _States:
    """States of one level, as they are found: of a large chip there is no room for all at once."""

    def __init__(self) -> None:
        self._counts = torch.zeros(BINS, dtype=torch.int64)
        self._sums = torch.zeros(2, dtype=torch.float64)  # of states and of their squares

    def add(self, states: Tensor) -> None:
        self._counts += torch.tensor(_counted(states.cpu(), 0.0, 1.0))
        exact = states.cpu().double()
        self._sums += torch.stack([exact.sum(), exact.square().sum()])

    def summary(self, level: float) -> LevelStates:
        mean, square = (self._sums / self._counts.sum()).tolist()
        return LevelStates(level, tuple(self._counts.tolist()), mean, max(square - mean**2, 0.0) ** 0.5)


@torch.no_grad()
def wires_map(chip: nn.Module) -> WiresMap | None:
    """The wires of the first tile of the layer whose cells lose most; None where wires are ideal.

    Every cell has the mean state of the level that it was programmed to: those that a chip keeps are behind its wires
    already.
    """
    layers = [layer for layer in crossbar_layers(chip) if not layer.memrix.chip.wires.ideal]
    if not layers:
        return None
    layer = min(layers, key=lambda each: each.memrix.programmed.crossbar.wire_share)
    crossbar, wires = layer.memrix.programmed.crossbar, layer.memrix.chip.wires
    layout, cells, (on, off) = crossbar.layout, crossbar.cell_parameters, crossbar.nominal_states
    rows, columns = layout.rows, min(layout.tile.columns, layout.outputs)
    _, positive, negative = next(layout.targets(integers_of(layer)[1][:1, :rows, :columns].cpu()))
    states = off + torch.cat([positive, negative]).float() * (on - off)  # [2, rows, columns]
    low, high = cells.low_resistance_conductance, cells.high_resistance_conductance
    voltages, currents = shares_through(low - states * (low - high), wires.beyond(0))
    return WiresMap(layer.memrix.name, wires, (voltages * currents)[0])
