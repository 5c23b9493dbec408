"""From random numbers to the features of a cell: its device draw, its history over cycles, its cycle draw."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from memrix.device.indexing import positions
from memrix.device.parameters import FEATURES, HRS, LRS, DeviceParameters

COUNT = len(FEATURES)


def draw_devices(parameters: DeviceParameters, count: int, stream: torch.Generator) -> Tensor:
    """``[8, count]``: four offsets, then four scales of the features of each device, float32, from the mixture."""
    shares = torch.from_numpy(np.cumsum(parameters.mixture_weights)[:-1]).float().to(stream.device)
    component = torch.bucketize(
        torch.rand(count, generator=stream, dtype=torch.float32, device=stream.device), shares
    )
    devices = torch.randn((2 * COUNT, count), generator=stream, dtype=torch.float32, device=stream.device)
    for number, (mean, factor) in enumerate(zip(parameters.mixture_means, parameters.mixture_cholesky, strict=True)):
        index = positions(component == number)
        spread = torch.mm(torch.from_numpy(factor).float().to(stream.device), devices.index_select(1, index))
        spread += torch.from_numpy(mean).float().to(stream.device)[:, None]
        devices.scatter_(1, index.expand(2 * COUNT, -1), spread)
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
        SettingsError: the parameters hold no autoregression of this order.
    """

    def __init__(self, parameters: DeviceParameters, order: int, device: torch.device) -> None:
        self.order = order
        autoregression = torch.from_numpy(parameters.autoregression(order)).float().to(device)
        self._innovation = autoregression[:, :COUNT].contiguous()  # [4, 4]
        self._history = autoregression[:, COUNT:].contiguous()  # [4, order * 4]
        self._polynomials = torch.from_numpy(parameters.feature_polynomials).float().to(device)[:, :, None]
        self._unrolled_by_shape: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        self._low = parameters.low_resistance_conductance
        self._high = parameters.high_resistance_conductance

    def innovations(self, normals: Tensor) -> Tensor:
        """What normals ``[4, cells]`` contribute to the scores of a cycle: all of them where there is no history."""
        return torch.mm(self._innovation, normals)

    def next_scores(self, history: Tensor, normals: Tensor) -> Tensor:
        """Scores ``[steps * 4, cells]`` of the next cycles.

        Args:
            history: ``[cells, slots * 4]``: scores of the last cycles, from the oldest to the newest; zeros, or no
                slot at all, for cycles that were not. More than the order counts is ignored.
            normals: ``[steps * 4, cells]``.
        """
        remembered, fresh = self._unrolled(history.shape[1] // COUNT, normals.shape[0] // COUNT)
        return torch.mm(remembered, history.t()).addmm_(fresh, normals)

    def _unrolled(self, slots: int, steps: int) -> tuple[Tensor, Tensor]:
        """What history ``[steps * 4, slots * 4]`` and normals ``[steps * 4, steps * 4]`` contribute to all steps."""
        if (slots, steps) not in self._unrolled_by_shape:
            # Rows: the history as it is, then every step as a combination of what is before it.
            rows = torch.zeros(((slots + steps) * COUNT, (slots + steps) * COUNT), dtype=torch.float64)
            rows[: slots * COUNT, : slots * COUNT] = torch.eye(slots * COUNT, dtype=torch.float64)
            weights = self._history.double().cpu()
            for step in range(slots, slots + steps):
                own = slice(step * COUNT, (step + 1) * COUNT)
                used = min(step, self.order)
                rows[own] = weights[:, (self.order - used) * COUNT :] @ rows[(step - used) * COUNT : step * COUNT]
                rows[own, own] += self._innovation.double().cpu()
            parts = torch.split(rows[slots * COUNT :].to(self._history), [slots * COUNT, steps * COUNT], dim=1)
            self._unrolled_by_shape[slots, steps] = (parts[0].contiguous(), parts[1].contiguous())
        return self._unrolled_by_shape[slots, steps]

    def features(self, devices: Tensor, scores: Tensor) -> Tensor:
        """``[..., 4, cells]`` of devices ``[8, cells]``: OFF state, SET voltage, ON state, RESET voltage (in V)."""
        shape = scores * self._polynomials[:, 0]
        for degree in range(1, self._polynomials.shape[1] - 1):
            shape.add_(self._polynomials[:, degree]).mul_(scores)
        shape.add_(self._polynomials[:, -1])
        features = shape.mul_(devices[COUNT:]).add_(devices[:COUNT])
        off, on = features[..., HRS, :], features[..., LRS, :]
        off.mul_(-np.log(10.0)).exp_()
        on.reciprocal_()
        for conductance in (off, on):
            conductance.sub_(self._low).div_(self._high - self._low)
        return features

    def resistances_(self, features: Tensor) -> Tensor:
        """Turn the two states in features ``[4, ...]`` back into resistances in ohm, in place."""
        for state in (features[HRS], features[LRS]):
            state.mul_(self._high - self._low).add_(self._low).reciprocal_()
        return features
