"""From random numbers to the features of a cell: its device draw, its history over cycles, its cycle draw."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from memrix.device.elementary import exp2
from memrix.device.parameters import FEATURES, HRS, LRS, Array, DeviceParameters

COUNT = len(FEATURES)
# The normals of a device in the order in which they count: one more for every row. What decides about an OFF cell
# comes first, so that it takes few of them.
DEVICE_ORDER = tuple(row for feature in range(COUNT) for row in (feature, feature + COUNT))
LOG2_10 = math.log2(10.0)
_WORDS = 1 << 16  # values of a word


class DeviceModel:
    """The devices of a technology: offsets and scales of their features, from a mixture of normal distributions.

    Attributes:
        edges: a cell is of as many components further as edges lie at or below its word.
        means: ``[components, 8]`` float32, in the order of ``DEVICE_ORDER``.
        factors: ``[components, 8, 8]`` float32, lower triangular: of the normals, in this order.
    """

    def __init__(self, parameters: DeviceParameters) -> None:
        order = list(DEVICE_ORDER)
        # Sixteen random bits decide: the weight of a component is met to 1e-5.
        shares = np.cumsum(parameters.mixture_weights)[:-1]
        self.edges = [round(float(share) * _WORDS) for share in shares]
        self.means = torch.from_numpy(parameters.mixture_means[:, order].astype(np.float32))
        self.factors = torch.from_numpy(triangular(parameters.mixture_cholesky[:, order]).astype(np.float32))

    def draw(self, word: Tensor, normals: Tensor) -> Tensor:
        """``[8, cells]``: four offsets, then four scales, of words ``[cells]`` and normals ``[8, cells]``."""
        component = torch.zeros_like(word)
        for edge in self.edges:
            component += word >= edge
        means, factors = self.means.to(word.device), self.factors.to(word.device)
        devices = torch.empty_like(normals)
        for row, place in enumerate(DEVICE_ORDER):
            # Number by number, in this order: the sums of a matrix product follow its size.
            value = means[:, row][component]
            for column in range(row + 1):
                value += factors[:, row, column][component].mul_(normals[column])
            devices[place] = value
        return devices


class CycleModel:
    """The features of the next cycle of cells, from their devices, their history and normal numbers.

    A vector autoregression over cycles gives normal scores, a polynomial each feature's shape, and the device its
    offset and scale (Hennen et al., 10.3389/fnins.2022.941753). Resistances are kept as states ``r`` of the cell.

    Args:
        parameters: the device technology.
        order: cycles of history that count.
        device: where tensors live.

    Attributes:
        order: as above.
        innovation: ``[4, 4]`` float32, lower triangular: what normals contribute to the scores of a cycle.
        weights: ``[4, order * 4]`` float32: what the history does, from the oldest cycle to the newest.
        polynomials: ``[4, degree + 1]`` float32, normal score to feature score, highest degree first.
        low: conductance in S of the low-resistance extreme at the read voltage.
        per_conductance: change of the state with the conductance, in 1/S.

    Raises:
        SettingsError: the parameters hold no autoregression of this order.
    """

    def __init__(self, parameters: DeviceParameters, order: int, device: torch.device) -> None:
        self.order = order
        autoregression = parameters.autoregression(order)

        def tensor(values: Array) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)

        self.innovation = tensor(triangular(autoregression[None, :, :COUNT])[0])
        self.weights = tensor(autoregression[:, COUNT:])
        self.polynomials = tensor(parameters.feature_polynomials)
        self.low = parameters.low_resistance_conductance
        self.per_conductance = 1 / (parameters.high_resistance_conductance - self.low)

    def innovations(self, normals: Tensor) -> Tensor:
        """What normals ``[4, cells]`` contribute to the scores of a cycle: all of them where there is no history."""
        scores = self.innovation[:, :1] * normals[0]
        for column in range(1, COUNT):
            scores[column:] += self.innovation[column:, column : column + 1] * normals[column]
        return scores

    def next_scores(self, history: Tensor, normals: Tensor) -> Tensor:
        """Scores ``[4, cells]`` of the next cycle.

        Args:
            history: ``[cells, slots, 4]``: scores of the last cycles, from the oldest to the newest; zeros, or no
                slot at all, for cycles that were not. More than the order counts is ignored.
            normals: ``[4, cells]``.
        """
        scores = self.innovations(normals)
        slots = min(history.shape[1], self.order)
        remembered = history[:, history.shape[1] - slots :].flatten(1).t().contiguous()  # [slots * 4, cells]
        weights = self.weights[:, (self.order - slots) * COUNT :]
        # Number by number, as for devices.
        for column in range(slots * COUNT):
            scores += weights[:, column : column + 1] * remembered[column]
        return scores

    def features(self, devices: Tensor, scores: Tensor) -> Tensor:
        """``[4, cells]`` of devices ``[8, cells]``: OFF state, SET voltage, ON state, RESET voltage (in V)."""
        polynomials = self.polynomials[:, :, None]
        shape = scores * polynomials[:, 0]
        for degree in range(1, polynomials.shape[1] - 1):
            shape.add_(polynomials[:, degree]).mul_(scores)
        shape.add_(polynomials[:, -1])
        features = shape.mul_(devices[COUNT:]).add_(devices[:COUNT])
        features[HRS] = exp2(features[HRS] * -LOG2_10)
        features[LRS].reciprocal_()
        for conductance in (features[HRS], features[LRS]):
            conductance.sub_(self.low).mul_(self.per_conductance)
        return features

    def resistances_(self, features: Tensor) -> Tensor:
        """Turn the two states in features ``[4, ...]`` back into resistances in ohm, in place."""
        for state in (features[HRS], features[LRS]):
            state.div_(self.per_conductance).add_(self.low).reciprocal_()
        return features


def triangular(rows: Array) -> Array:
    """Lower triangular ``[..., n, n]`` of the same covariances as rows ``[..., n, n]`` of normal numbers.

    These are the components of the rows along the directions that Gram and Schmidt make of them. A row that is a sum
    of those before it has no direction of its own: zeros.
    """
    directions, along = np.zeros(rows.shape), np.zeros(rows.shape)
    for row in range(rows.shape[-2]):
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
    return along
