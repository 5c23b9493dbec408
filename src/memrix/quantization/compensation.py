"""Weights rounded one after another, each error made up for by the weights that are still to be rounded."""

from __future__ import annotations

import torch
from torch import Tensor

from memrix.quantization.weights import divisor

_BLOCK = 128  # columns whose errors reach the columns after them in one product


def compensated_rows(rows: Tensor, step: Tensor, limit: int, moments: Tensor, damping: float = 0.01) -> Tensor:
    """Rows on the grid of their steps that change the products with typical inputs least (GPTQ, arXiv 2210.17323).

    Columns are rounded in falling order of the power of their inputs. The error of each is spread over those that are
    left, by the second moments of the inputs. Inputs that are always 0 leave their weights rounded to nearest.

    Args:
        rows: ``[outputs, inputs]``.
        step: weight of one integer, ``[1]`` or ``[outputs]``.
        limit: the largest integer.
        moments: ``inputs.T @ inputs`` of typical input vectors, float64 ``[inputs, inputs]``.
        damping: added to the diagonal of the moments, as a share of its mean.

    Returns:
        float32 ``[outputs, inputs]``: weights as they were when they were rounded, so that rounding to nearest gives
        the integers, and at most 0.4 steps beyond the largest. Training needs them: of weights in the middle between
        two roundings, small changes would change no integer.
    """
    power = moments.diagonal()
    order = power.argsort(descending=True)
    factor = _factor(moments[order][:, order], damping)
    width = divisor(step).double().view(-1, 1)
    left = rows.double()[:, order]
    made, largest = torch.empty_like(left), limit * width
    for start in range(0, left.shape[1], _BLOCK):
        end = min(start + _BLOCK, left.shape[1])
        errors = torch.empty_like(left[:, start:end])
        for column in range(start, end):
            weights = left[:, column : column + 1]
            rounded = (weights / width).round().clamp(-limit, limit) * width
            made[:, column : column + 1] = weights.clamp(-largest - 0.4 * width, largest + 0.4 * width)
            error = (weights - rounded) / factor[column, column]
            left[:, column:end] -= error * factor[column, column:end]
            errors[:, column - start] = error.squeeze(1)
        left[:, end:] -= errors @ factor[start:end, end:]
    found = torch.empty_like(made)
    found[:, order] = made
    return found.float()


def _factor(moments: Tensor, damping: float) -> Tensor:
    """Upper Cholesky factor of the inverse of damped second moments."""
    diagonal = moments.diagonal()
    silent = diagonal == 0
    damped = moments + torch.diag(damping * diagonal.mean() + silent.double())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    factor: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor
