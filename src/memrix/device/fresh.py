"""States of a fresh array after reset-set, drawn from their exact marginal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memrix.device.parameters import FEATURES, HRS, LRS, Array, DeviceParameters

# Part of what a seed means: another chunk length would draw other cells. It fits a core's cache.
CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class _FeatureDraw:
    """One resistance feature of fresh cells: a Gaussian pair a device, a polynomial score a cycle."""

    offset: Array  # [components]
    offset_spread: Array
    scale: Array
    scale_shared: Array  # how the scale follows the offset's normal
    scale_spread: Array
    score_spread: float
    polynomial: list[float]


class FreshCells:
    """Cells that were never switched, after +2 V (reset) and, for ON cells, -2 V (set).

    A fresh OFF cell depends on its high-resistance feature alone and a fresh ON cell on its low-resistance
    feature alone, so one uniform and three normal numbers a cell give the exact distribution of the full
    model (Hennen et al., 10.3389/fnins.2022.941753): the 2-D marginal of the device mixture and the first
    step of the autoregression from an empty history.
    """

    def __init__(self, parameters: DeviceParameters) -> None:
        self.parameters = parameters
        self._off = _feature(parameters, HRS)
        self._on = _feature(parameters, LRS)
        self._edges = np.cumsum(parameters.mixture_weights)[:-1]

    def draw(self, on: Tensor, *, chip: torch.Generator, programming: torch.Generator) -> Tensor:
        """States ``r`` of cells, float32 of the shape of ``on``.

        Every cell draws its device from ``chip`` and its cycle from ``programming`` whatever its target, so the
        same chip seed is the same chip under other weights too: its marginal is exact for either target.

        Args:
            on: bool, any shape: cells to be left in the low-resistance state.
            chip: stream of the device-to-device draw, on the device of ``on``.
            programming: stream of the cycle-to-cycle draw, on the device of ``on``.
        """
        state = torch.empty(on.shape, dtype=torch.float32, device=on.device)
        flat_state, flat_on = state.view(-1), on.reshape(-1)
        for start in range(0, flat_state.numel(), CHUNK):
            self._draw_chunk(flat_state[start : start + CHUNK], flat_on[start : start + CHUNK], chip, programming)
        return state

    def _draw_chunk(self, state: Tensor, on: Tensor, chip: torch.Generator, programming: torch.Generator) -> None:
        device = torch.empty((3, state.numel()), dtype=torch.float32, device=state.device)
        device[0].uniform_(generator=chip)
        device[1:].normal_(generator=chip)
        cycle = torch.empty_like(state).normal_(generator=programming)
        # Most cells of a bit-sliced matrix are OFF: all are computed as OFF, the ON ones once more.
        # 1 / R = 10**-feature
        state.copy_(self._state(self._value(self._off, device, cycle).mul_(-math.log(10.0)).exp_()))
        index = on.nonzero().squeeze(1)
        values = self._value(self._on, device[:, index], cycle[index])
        state[index] = self._state(values.reciprocal_())

    def _value(self, feature: _FeatureDraw, device: Tensor, cycle: Tensor) -> Tensor:
        component = [(device[0] >= float(edge)).float() for edge in self._edges]
        z_offset, z_scale = device[1], device[2]
        score = cycle * feature.score_spread
        shape = torch.full_like(score, feature.polynomial[0])
        for coefficient in feature.polynomial[1:]:
            shape.mul_(score).add_(coefficient)
        scale = _by_component(feature.scale_spread, component, z_scale).mul_(z_scale)
        scale.addcmul_(_by_component(feature.scale_shared, component, z_scale), z_offset)
        scale.add_(_by_component(feature.scale, component, z_scale))
        value = _by_component(feature.offset_spread, component, z_scale).mul_(z_offset)
        value.add_(_by_component(feature.offset, component, z_scale))
        return value.addcmul_(scale, shape)

    def _state(self, conductance: Tensor) -> Tensor:
        low = self.parameters.low_resistance_conductance
        high = self.parameters.high_resistance_conductance
        return conductance.sub_(low).div_(high - low)


def _by_component(values: Array, component: list[Tensor], like: Tensor) -> Tensor:
    chosen = torch.full_like(like, float(values[0]))
    for passed, step in zip(component, np.diff(values), strict=True):
        chosen.add_(passed, alpha=float(step))
    return chosen


def _feature(parameters: DeviceParameters, feature: int) -> _FeatureDraw:
    factor = parameters.mixture_cholesky
    offset_row, scale_row = factor[:, feature], factor[:, feature + len(FEATURES)]  # [components, 8]
    offset_spread = np.linalg.norm(offset_row, axis=1)
    scale_shared = (offset_row * scale_row).sum(axis=1) / offset_spread
    return _FeatureDraw(
        offset=parameters.mixture_means[:, feature],
        offset_spread=offset_spread,
        scale=parameters.mixture_means[:, feature + len(FEATURES)],
        scale_shared=scale_shared,
        scale_spread=np.sqrt((scale_row**2).sum(axis=1) - scale_shared**2),
        score_spread=float(np.linalg.norm(parameters.innovation[feature])),
        polynomial=[float(value) for value in parameters.feature_polynomials[feature]],
    )
