"""The thresholds of fresh cells whose states are drawn already, from their exact distribution given that draw."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from memrix.device.indexing import positions
from memrix.device.parameters import FEATURES, Array, DeviceParameters

_COUNT = len(FEATURES)
DEVICE_NORMALS = 2  # that a threshold takes beside those of the state


class FreshThreshold:
    """The threshold that decides about the next switching of fresh cells in one state.

    The offsets and scales of a device are linear in 8 normal numbers, the scores of its first cycle in 4. The draw
    of a state takes the components of these along two directions, and along one (``FreshCells``); that of its
    threshold takes those along two more, and one more, orthogonal to them.

    Args:
        parameters: the device technology.
        state: the feature that was drawn.
        threshold: the feature that is wanted.
    """

    def __init__(self, parameters: DeviceParameters, state: int, threshold: int) -> None:
        features = [state, state + _COUNT, threshold, threshold + _COUNT]
        self._factor, self._mean = parameters.mixture_cholesky, parameters.mixture_means
        self._directions, along = _orthogonal(self._factor[:, features])
        self._innovation = parameters.autoregression()[:, :_COUNT]
        directions, score = _orthogonal(self._innovation[None, [state, threshold]])
        self._cycle_directions = directions[0]
        self._score = float(score[0, 1, 0]), float(score[0, 1, 1])
        offset, scale = along[:, 2], along[:, 3]
        rows = np.stack(
            [
                self._mean[:, threshold],
                *(offset[:, n] for n in range(3)),
                self._mean[:, threshold + _COUNT],
                *(scale[:, n] for n in range(4)),
            ]
        )  # [9, components]
        # For the first component, and as a difference from each component to the next.
        self._coefficients = torch.from_numpy(np.diff(rows, axis=1, prepend=0.0)).float()
        self._polynomial = [float(value) for value in parameters.feature_polynomials[threshold]]

    def values(self, component: Tensor, drawn: Tensor, device: Tensor, cycle: Tensor) -> Tensor:
        """Thresholds in V, ``[cells]``.

        Args:
            component: ``[components, cells]``: 1, then whether each next one is passed.
            drawn: normals ``[3, cells]`` that the state took: two of the device, one of the cycle.
            device: normals ``[2, cells]`` beside them.
            cycle: normals ``[cells]`` beside them.
        """
        rows = torch.mm(self._coefficients.to(component.device), component)
        offset, scale = rows[0], rows[4]
        for row, normal in zip(rows[1:4], (*drawn[:2], device[0]), strict=True):
            offset.addcmul_(row, normal)
        for row, normal in zip(rows[5:], (*drawn[:2], *device), strict=True):
            scale.addcmul_(row, normal)
        score = torch.add(drawn[2] * self._score[0], cycle, alpha=self._score[1])
        shape = score * self._polynomial[0]
        for coefficient in self._polynomial[1:-1]:
            shape.add_(coefficient).mul_(score)
        return torch.addcmul(offset, scale, shape.add_(self._polynomial[-1]))

    def complete(
        self, component: Tensor, drawn: Tensor, device: Tensor, cycle: Tensor, others: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Devices ``[8, cells]`` and scores of the first cycle ``[4, cells]`` of cells with all that was drawn.

        Args:
            component: as for ``values``.
            drawn: as for ``values``.
            device: as for ``values``.
            cycle: as for ``values``.
            others: normals ``[12, cells]``.
        """
        known = torch.cat([drawn[:2], device])
        number = component.sum(0).long() - 1
        devices = torch.empty_like(others[: 2 * _COUNT])
        for chosen, (directions, factor, mean) in enumerate(
            zip(self._directions, self._factor, self._mean, strict=True)
        ):
            index = positions(number == chosen)
            normals = _with_known(directions, known.index_select(1, index), others[: 2 * _COUNT, index])
            values = torch.mm(_as(factor, normals), normals).add_(_as(mean, normals)[:, None])
            devices.scatter_(1, index.expand(2 * _COUNT, -1), values)
        scores = _with_known(self._cycle_directions, torch.stack([drawn[2], cycle]), others[2 * _COUNT :])
        return devices, torch.mm(_as(self._innovation, scores), scores)


def _with_known(directions: Array, known: Tensor, others: Tensor) -> Tensor:
    """Normals ``[n, cells]`` with given components ``[m, cells]`` along directions ``[m, n]``."""
    along = _as(directions, known)
    return torch.mm(along.t(), known - torch.mm(along, others)).add_(others)


def _as(values: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(like)


def _orthogonal(rows: Array) -> tuple[Array, Array]:
    """Gram and Schmidt's directions ``[..., m, n]`` of rows, and the rows along them, lower triangular.

    A row that is a sum of those before it has no direction of its own: zeros.
    """
    count = rows.shape[-2]
    directions = np.zeros(rows.shape)
    along = np.zeros((*rows.shape[:-1], count))
    for row in range(count):
        rest = np.array(rows[..., row, :], dtype=np.float64)
        # Twice is enough, and once is not, for directions that are orthogonal to rounding.
        for _ in range(2):
            parts = np.einsum("...mn,...n->...m", directions, rest)
            along[..., row, :] += parts
            rest -= np.einsum("...mn,...m->...n", directions, parts)
        length = np.linalg.norm(rest, axis=-1)
        own = length > 1e-12 * np.linalg.norm(rows[..., row, :], axis=-1)
        along[..., row, row] = np.where(own, length, 0.0)
        directions[..., row, :] = np.where(own[..., None], rest / np.where(own, length, 1.0)[..., None], 0.0)
    return directions, along
