"""Switching cycles as the model has them, in the form in which they would be measured."""

from __future__ import annotations

import numpy as np

from memrix._support.validation import require_integer
from memrix.device.fitting.cycles import Cycles
from memrix.device.fitting.process import WIDTH, apply_polynomials, draw_scores
from memrix.device.parameters import Array, DeviceParameters

CURVE_VOLTAGE = 0.6  # V; range over which the extreme curves of simulated data are "measured"
_CURVE_POINTS = 121
_MANY = 10**7


def simulate_cycles(
    parameters: DeviceParameters,
    devices: int,
    cycles: int,
    seed: int = 0,
    order: int | None = None,
    *,
    fresh: bool = False,
) -> Cycles:
    """Switching cycles of devices drawn from the model, with the two extreme I-V curves free of noise.

    A measured device has been switched before its record begins, so its cycles are stationary from the first one. The
    history of a ``fresh`` cell of the model is zero instead, and its first cycles vary less.

    Args:
        parameters: the device technology.
        devices: how many devices to draw.
        cycles: consecutive cycles of each.
        seed: the same seed gives the same cycles.
        order: of the autoregression; the highest by default.
        fresh: start from a history of zero.

    Raises:
        SettingsError: numbers below 1, an order that the parameters do not hold, or one that is not stationary.
    """
    require_integer("devices", devices, 1, _MANY)
    require_integer("cycles", cycles, 1, _MANY)
    generator = np.random.default_rng(seed)
    offsets, scales = draw_devices(parameters, devices, generator)
    scores = draw_scores(parameters.autoregression(order), devices, cycles, generator, fresh=fresh)
    shaped = apply_polynomials(parameters.feature_polynomials, scores)
    voltages = np.linspace(-CURVE_VOLTAGE, CURVE_VOLTAGE, _CURVE_POINTS)
    return Cycles(
        devices=tuple(f"d{number}" for number in range(1, devices + 1)),
        features=offsets[:, None] + scales[:, None] * shaped,
        low_curve=np.column_stack([voltages, np.polyval(parameters.low_resistance, voltages)]),
        high_curve=np.column_stack([voltages, np.polyval(parameters.high_resistance, voltages)]),
    )


def draw_devices(parameters: DeviceParameters, devices: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Offsets and scales of the features of devices, ``[devices, 4]`` each, from the Gaussian mixture."""
    component = generator.choice(len(parameters.mixture_weights), devices, p=parameters.mixture_weights)
    normal = generator.standard_normal((devices, 2 * WIDTH, 1))
    drawn = parameters.mixture_means[component] + (parameters.mixture_cholesky[component] @ normal)[..., 0]
    return drawn[:, :WIDTH], drawn[:, WIDTH:]
