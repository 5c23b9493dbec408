"""States of a fresh array after reset-set, drawn from their exact marginal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memrix._support.random import derive, fill_noise_, random_bits16, seeds_from
from memrix._support.threads import side_by_side
from memrix.device.block import Block
from memrix.device.fresh_thresholds import DEVICE_NORMALS, FreshThreshold
from memrix.device.indexing import positions
from memrix.device.parameters import FEATURES, HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE, DeviceParameters
from memrix.device.reach import ReadRange, WithinReach
from memrix.device.switching import Switching

# Part of what a seed means: another chunk length would draw other cells. Its buffers fit the second-level cache.
CHUNK = 1 << 17


@dataclass(frozen=True, eq=False)
class _FeatureDraw:
    """One resistance feature of fresh cells: ``offset + scale * polynomial(score)``.

    The columns of ``coefficients`` say, for the first mixture component and as a difference from each component to
    the next, how offset and scale follow from the two normals ``z`` of a device:
    ``offset = row 0 + row 1 * z[0]`` and ``scale = row 2 + row 3 * z[0] + row 4 * z[1]``.
    """

    coefficients: Tensor  # [5, components]
    score_spread: float
    polynomial: list[float]

    def values(self, component: Tensor, z: Tensor, cycle: Tensor) -> Tensor:
        """Feature values ``[cells]``; ``component [components, cells]``: 1, then whether each next one is passed."""
        rows = torch.mm(self.coefficients.to(component.device), component)
        offset, offset_spread, scale, scale_shared, scale_spread = rows.unbind()
        score = cycle * self.score_spread
        shape = score * self.polynomial[0]
        for coefficient in self.polynomial[1:-1]:
            shape.add_(coefficient).mul_(score)
        shape.add_(self.polynomial[-1])
        scale.addcmul_(scale_shared, z[0]).addcmul_(scale_spread, z[1])
        offset.addcmul_(offset_spread, z[0])
        return torch.addcmul(offset, scale, shape, out=offset)


class FreshCells:
    """Cells that were never switched, after +2 V (reset) and, for ON cells, -2 V (set).

    A fresh OFF cell depends on its high-resistance feature alone and a fresh ON cell on its low-resistance
    feature alone, so one uniform (of 16 bits) and three normal numbers a cell give the distribution of the full
    model (Hennen et al., 10.3389/fnins.2022.941753): the 2-D marginal of the device mixture and the first
    step of the autoregression from an empty history.
    """

    def __init__(self, parameters: DeviceParameters) -> None:
        self.parameters = parameters
        self._off = _feature(parameters, HRS)
        self._on = _feature(parameters, LRS)
        self._set_threshold = FreshThreshold(parameters, HRS, SET_VOLTAGE)
        self._reset_threshold = FreshThreshold(parameters, LRS, RESET_VOLTAGE)
        # Sixteen random bits decide: the weight of a component is met to 1e-5.
        shares = np.cumsum(parameters.mixture_weights)[:-1]
        self._edges = [min(round(float(share) * 65536) - 32768, 32767) for share in shares]

    def draw(self, on: Tensor, *, chip: torch.Generator, programming: torch.Generator) -> Tensor:
        """States ``r`` of cells, float32 of the shape of ``on``.

        Every cell draws its device from ``chip`` and its cycle from ``programming`` whatever its target, so the
        same chip seed is the same chip under other weights too: its marginal is exact for either target.

        Args:
            on: bool, any shape: cells to be left in the low-resistance state.
            chip: stream of the device-to-device draw, on the device of ``on``.
            programming: stream of the cycle-to-cycle draw, on the device of ``on``.
        """
        return self.draw_within(None, on, chip=chip, programming=programming)[0]

    def draw_within(
        self, reads: ReadRange | None, on: Tensor, *, chip: torch.Generator, programming: torch.Generator
    ) -> tuple[Tensor, WithinReach | None]:
        """States as ``draw`` gives them, and the cells among them that a reading within a range may switch."""
        state = torch.empty(on.shape, dtype=torch.float32, device=on.device)
        states, targets = torch.split(state.view(-1), CHUNK), torch.split(on.reshape(-1), CHUNK)
        device_seeds, cycle_seeds = seeds_from(chip, len(states)), seeds_from(programming, len(states))
        found = [WithinReach.none(on.device)] * len(states)

        def draw(number: int, state: Tensor, on: Tensor, *seeds: int) -> None:
            work = self._draw_chunk(state, on, *seeds)
            if reads is not None and state.numel():
                found[number] = self._within_reach(reads, on, work, *seeds)

        side_by_side(draw, range(len(states)), states, targets, device_seeds, cycle_seeds, device=on.device)
        if reads is None:
            return state, None
        return state, WithinReach.joined(found, [part.numel() for part in states])

    @torch.no_grad()
    def _draw_chunk(self, state: Tensor, on: Tensor, device_seed: int, cycle_seed: int) -> Tensor:
        """Draw into ``state``; returns the components passed and the three normals of every cell."""
        components, count = len(self._edges) + 1, state.numel()
        devices = torch.Generator(state.device).manual_seed(device_seed)
        cycles = torch.Generator(state.device).manual_seed(cycle_seed)
        # The rows become: 1, components passed, three normals.
        work = torch.empty((components + 3, count), dtype=torch.float32, device=state.device)
        work[0] = 1.0
        component = random_bits16(count, devices)
        for row, edge in zip(work[1:], self._edges, strict=False):
            torch.ge(component, edge, out=row)
        work[-3:-1].normal_(generator=devices)
        work[-1].normal_(generator=cycles)
        # Most cells of a bit-sliced matrix are OFF: all are computed as OFF, the ON ones once more.
        # 1 / R = 10**-feature
        state.copy_(self._state(self._values(self._off, work).mul_(-math.log(10.0)).exp_()))
        index = positions(on)
        state.scatter_(0, index, self._state(self._values(self._on, work.index_select(1, index)).reciprocal_()))
        return work

    @torch.no_grad()
    def _within_reach(
        self, reads: ReadRange, on: Tensor, work: Tensor, device_seed: int, cycle_seed: int
    ) -> WithinReach:
        """The cells of a chunk that a reading may switch. Streams of their own: states are the same without them."""
        devices, cycles = (
            torch.Generator(on.device).manual_seed(derive(seed, "threshold")) for seed in (device_seed, cycle_seed)
        )
        extra = torch.empty((DEVICE_NORMALS + 1, on.numel()), dtype=torch.float32, device=on.device)
        for row in extra[:DEVICE_NORMALS]:
            fill_noise_(row, devices)
        fill_noise_(extra[-1], cycles)
        thresholds = self._set_threshold.values(work[:-3], work[-3:], extra[:-1], extra[-1])
        sets = (thresholds >= reads.lowest) & ~on if reads.lowest < 0 else torch.zeros_like(on)
        resets = torch.zeros_like(on)
        if reads.highest > 0:
            index = positions(on)
            of_on = work.index_select(1, index), extra.index_select(1, index)
            thresholds = self._reset_threshold.values(of_on[0][:-3], of_on[0][-3:], of_on[1][:-1], of_on[1][-1])
            resets[index] = thresholds < reads.highest
        index = positions(sets | resets)
        cells = None
        if reads.kept:
            cells = self._cells(work.index_select(1, index), extra.index_select(1, index), on[index], devices, cycles)
        return WithinReach(index, sets[index], resets[index], cells)

    def _cells(
        self, work: Tensor, extra: Tensor, on: Tensor, devices: torch.Generator, cycles: torch.Generator
    ) -> Block:
        """Chosen cells with all that their future depends on."""
        normals = torch.empty((3 * len(FEATURES), on.numel()), dtype=torch.float32, device=on.device)
        normals[: 2 * len(FEATURES)].normal_(generator=devices)
        normals[2 * len(FEATURES) :].normal_(generator=cycles)
        both = [
            threshold.complete(work[:-3], work[-3:], extra[:-1], extra[-1], normals)
            for threshold in (self._set_threshold, self._reset_threshold)
        ]
        device, scores = (torch.where(on, as_on, as_off) for as_off, as_on in zip(*both, strict=True))
        return Switching(self.parameters, self.parameters.order, on.device).fresh(device, scores, on)

    def _values(self, feature: _FeatureDraw, work: Tensor) -> Tensor:
        return feature.values(work[:-3], work[-3:-1], work[-1])

    def _state(self, conductance: Tensor) -> Tensor:
        low = self.parameters.low_resistance_conductance
        high = self.parameters.high_resistance_conductance
        return conductance.sub_(low).div_(high - low)


def _feature(parameters: DeviceParameters, feature: int) -> _FeatureDraw:
    factor = parameters.mixture_cholesky
    offset_row, scale_row = factor[:, feature], factor[:, feature + len(FEATURES)]  # [components, 8]
    offset_spread = np.linalg.norm(offset_row, axis=1)
    # Devices that do not differ share nothing.
    shared = (offset_row * scale_row).sum(axis=1)
    scale_shared = np.divide(shared, offset_spread, out=np.zeros_like(shared), where=offset_spread > 0)
    rows = np.stack(
        [
            parameters.mixture_means[:, feature],
            offset_spread,
            parameters.mixture_means[:, feature + len(FEATURES)],
            scale_shared,
            np.sqrt(np.maximum((scale_row**2).sum(axis=1) - scale_shared**2, 0.0)),
        ]
    )  # [5, components]
    return _FeatureDraw(
        coefficients=torch.from_numpy(np.diff(rows, axis=1, prepend=0.0)).float(),
        score_spread=float(np.linalg.norm(parameters.autoregression()[feature, : len(FEATURES)])),
        polynomial=[float(value) for value in parameters.feature_polynomials[feature]],
    )
