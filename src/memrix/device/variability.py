"""From random numbers to the features of a cell: its device draw, its history over cycles, its cycle draw."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from memrix.device.parameters import FEATURES, HRS, LRS, DeviceParameters

COUNT = len(FEATURES)


def draw_devices(parameters: DeviceParameters, count: int, stream: torch.Generator) -> Tensor:
    """``[count, 8]``: four offsets, then four scales of the features of each device, float32, from the mixture."""
    shares = torch.from_numpy(np.cumsum(parameters.mixture_weights)[:-1]).float().to(stream.device)
    component = torch.bucketize(torch.rand(count, generator=stream, device=stream.device), shares)
    devices = torch.randn((count, 2 * COUNT), generator=stream, device=stream.device)
    for number, (mean, factor) in enumerate(zip(parameters.mixture_means, parameters.mixture_cholesky, strict=True)):
        index = (component == number).nonzero().squeeze(1)
        spread = torch.mm(devices[index], torch.from_numpy(factor.T.copy()).float().to(stream.device))
        devices[index] = spread + torch.from_numpy(mean).float().to(stream.device)
    return devices


class CycleModel:
    """The features of the next cycle of cells, from their devices, their history and normal numbers.

    A vector autoregression over cycles gives normal scores, a polynomial each feature's shape, and the device its
    offset and scale (Hennen et al., 10.3389/fnins.2022.941753). Resistances are kept as states ``r`` of the cell.

    Args:
        parameters: the device technology.
        order: cycles of history that count.
        device: where tensors live.

    Raises:
        HardwareError: the parameters hold no autoregression of this order.
    """

    def __init__(self, parameters: DeviceParameters, order: int, device: torch.device) -> None:
        self.order = order
        autoregression = torch.from_numpy(parameters.autoregression(order)).float().to(device)
        self._innovation = autoregression[:, :COUNT].contiguous()  # [4, 4]
        oldest_first = autoregression[:, COUNT:].view(COUNT, order, COUNT)
        self._by_phase = [_rotated(oldest_first, phase) for phase in range(order)]
        self._polynomials = torch.from_numpy(parameters.feature_polynomials).float().to(device)[:, :, None]
        self._low = parameters.low_resistance_conductance
        self._high = parameters.high_resistance_conductance

    def innovations(self, normals: Tensor) -> Tensor:
        """What normals ``[4, cells]`` contribute to the scores of a cycle: all of them where there is no history."""
        return torch.mm(self._innovation, normals)

    def remember_(self, scores: Tensor, history: Tensor, cycle: int) -> None:
        """Add what the cycles before contribute to the scores ``[4, cells]`` of a cycle, in place.

        Args:
            scores: ``[4, cells]``: so far the innovations.
            history: ``[cells, slots, 4]``: the scores of cycle ``n`` are in slot ``n % order``; zeros where there is
                none yet. Slots at the end that hold nothing may be left out.
            cycle: number of the cycle to come, from 1, or its slot.
        """
        weights = self._by_phase[cycle % self.order][:, : history.shape[1] * COUNT]
        scores.addmm_(weights, history.flatten(1).t())

    def features(self, devices: Tensor, scores: Tensor) -> Tensor:
        """``[4, cells]`` from devices ``[cells, 8]``: OFF state, SET voltage, ON state, RESET voltage (in V)."""
        shape = scores * self._polynomials[:, 0]
        for degree in range(1, self._polynomials.shape[1] - 1):
            shape.add_(self._polynomials[:, degree]).mul_(scores)
        shape.add_(self._polynomials[:, -1])
        by_row = devices.t().contiguous()
        features = torch.addcmul(by_row[:COUNT], by_row[COUNT:], shape)
        features[HRS].mul_(-np.log(10.0)).exp_()
        features[LRS].reciprocal_()
        for conductance in (features[HRS], features[LRS]):
            conductance.sub_(self._low).div_(self._high - self._low)
        return features

    def resistances_(self, features: Tensor) -> Tensor:
        """Turn the two states in features ``[4, ...]`` back into resistances in ohm, in place."""
        for state in (features[HRS], features[LRS]):
            state.mul_(self._high - self._low).add_(self._low).reciprocal_()
        return features


def _rotated(oldest_first: Tensor, phase: int) -> Tensor:
    """Weights ``[4, order * 4]`` of the slots of the history for the cycles whose own slot is ``phase``."""
    order = oldest_first.shape[1]
    # The slot of a cycle still holds the oldest one that counts; the others follow by age.
    position = [(slot - phase) % order for slot in range(order)]
    return oldest_first[:, position].reshape(COUNT, -1)
