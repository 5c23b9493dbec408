"""How cells behave under voltage: I-V loops, features over cycles, currents after programming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.validation import require_integer
from memrix.crossbar.protocols import ProgrammingProtocol, ResetSet
from memrix.device import CellCurrent, Cells, DeviceParameters, pulse_voltages
from memrix.device.parameters import HRS
from memrix.errors import DataError, SettingsError

_MANY = 10**7
_LEGS = 4  # of a triangular sweep: down, back, up, back


@dataclass(frozen=True, eq=False)
class Loops:
    """Currents of devices along triangular voltage sweeps.

    Attributes:
        voltage: V, ``[points]``: from 0 to the negative peak, to the positive peak, and back to 0.
        current: A, ``[cycles, points, devices]``, each after the cell has seen the voltage beside it.
    """

    voltage: Tensor
    current: Tensor


def sweep_peak(parameters: DeviceParameters) -> float:
    """Peak voltage of a sweep: the first full tenth of a volt at which a reset is complete."""
    return parameters.swept_voltage


def current_voltage_loops(
    parameters: DeviceParameters, devices: int, cycles: int, points: int = 121, seed: int = 0
) -> Loops:
    """Sweep fresh devices ``0 -> -peak -> 0 -> +peak -> 0``, again and again; the peak is ``sweep_peak``.

    Args:
        parameters: the device technology.
        devices: how many to draw.
        cycles: consecutive sweeps of each.
        points: voltages from 0 to a peak, both included.
        seed: the same seed gives the same loops.

    Raises:
        SettingsError: fewer than one device or cycle, or than two points.
    """
    require_integer("devices", devices, 1, _MANY)
    require_integer("cycles", cycles, 1, _MANY)
    require_integer("points", points, 2, _MANY)
    rising = torch.linspace(0, sweep_peak(parameters), points, dtype=torch.float64)
    falling = rising.flip(0)
    # A corner belongs to two legs, and is applied once.
    voltage = torch.cat([-rising, -falling[1:], rising[1:], falling[1:]])
    cells = Cells(devices, parameters, seed=seed)
    current = torch.empty((cycles, len(voltage), devices))
    for cycle in current:
        for volts, row in zip(voltage.tolist(), cycle, strict=True):
            cells.apply_voltage(volts)
            row.copy_(cells.current(volts))
    return Loops(voltage, current)


def feature_history(
    parameters: DeviceParameters, devices: int, cycles: int, *, settling: int = 100, seed: int = 0
) -> Tensor:
    """Features of devices over consecutive complete cycles, a RESET and a SET each.

    Args:
        parameters: the device technology.
        devices: how many to draw.
        cycles: to be kept.
        settling: cycles before them. A fresh cell has no history, so its first cycles vary less.
        seed: the same seed gives the same cycles.

    Returns:
        ``[4, devices, cycles]``: log10 of the OFF resistance in ohm, SET voltage in V, ON resistance in ohm, RESET
        voltage in V.

    Raises:
        SettingsError: fewer than one device or cycle.
    """
    require_integer("devices", devices, 1, _MANY)
    require_integer("cycles", cycles, 1, _MANY)
    require_integer("settling", settling, 0, _MANY)
    cells = Cells(devices, parameters, seed=seed)
    pulses = pulse_voltages(parameters)
    history = torch.empty((cycles, *cells.features.shape))
    for number in range(settling + cycles):
        # A cell draws its next cycle when it leaves the ON state: a fresh one is OFF and has to be SET first.
        cells.apply_voltage(pulses.set)
        cells.apply_voltage(pulses.reset)
        if number >= settling:
            history[number - settling] = cells.features
    history[:, HRS].log10_()
    return history.permute(1, 2, 0).contiguous()


def typical_device(history: Tensor) -> int:
    """The device whose means and deviations over its cycles lie closest to the medians of all devices.

    Args:
        history: ``[features, devices, cycles]``.
    """
    figures = torch.cat([history.mean(dim=-1), history.std(dim=-1)]).double()  # [2 * features, devices]
    from_median = figures - figures.median(dim=1, keepdim=True).values
    scale = from_median.abs().median(dim=1, keepdim=True).values
    # Where most devices are alike, there is no scale, and any of them will do.
    distances = (from_median / scale).nan_to_num(nan=0.0, posinf=1e9, neginf=-1e9).square().sum(dim=0)
    return int(distances.argmin())


def autocorrelation(series: Tensor, lags: int) -> Tensor:
    """Correlation of each series with itself, 0 to ``lags`` steps earlier, around the series' own mean.

    The mean of a short series follows the series: every value comes out too low, by about the variance of the mean
    divided by that of the series. A series that never changes gives NaN.

    Args:
        series: ``[..., steps]``.
        lags: the longest, below the number of steps.

    Returns:
        ``[..., lags + 1]``: mean products of the steps that have a partner, in shares of the variance.

    Raises:
        DataError: not enough steps for the longest lag.
    """
    steps = series.shape[-1]
    if not 0 <= lags < steps:
        raise DataError(f"lags must be an integer from 0 and below the {steps} steps of the series, got {lags}")
    centerd = series.double()
    centerd = centerd - centerd.mean(dim=-1, keepdim=True)
    products = [(centerd[..., lag:] * centerd[..., : steps - lag]).mean(dim=-1) for lag in range(lags + 1)]
    return torch.stack(products, dim=-1) / products[0][..., None]


def protocol_currents(
    protocol: ProgrammingProtocol,
    parameters: DeviceParameters,
    cells: int,
    *,
    levels: Sequence[float] = (0.0, 1.0),
    voltage: float = 0.2,
    seed: int = 0,
) -> Tensor:
    """Currents that a protocol leaves in cells, without read noise: the same fresh devices at each level.

    Args:
        protocol: how cells are programmed.
        parameters: the device technology.
        cells: to be programmed to each level.
        levels: 0 is OFF, 1 is ON; others only where the protocol is ``analog``.
        voltage: V, at which currents are taken.
        seed: the same seed gives the same cells.

    Returns:
        ``[levels, cells]``, float64, in shares of the current of a nominal ON cell: the mean one of reset-set.

    Raises:
        SettingsError: no cells, or a level that the protocol cannot reach.
    """
    require_integer("cells", cells, 1, _MANY)
    if not all(0 <= level <= 1 if protocol.analog else level in (0, 1) for level in levels):
        reached = "levels from 0 to 1" if protocol.analog else "the levels 0 and 1 alone"
        raise SettingsError(f"{protocol.name} reaches {reached}, got {', '.join(map(str, levels))}")
    current = CellCurrent(parameters)
    on, _ = ResetSet().nominal_states(parameters)
    shares = torch.empty((len(levels), cells), dtype=torch.float64)
    for level, share in zip(levels, shares, strict=True):
        targets = torch.full((cells,), float(level) if protocol.analog else bool(level))
        chip, programming = (Stream.of(seed, use) for use in ("chip", "programming"))
        states = protocol.program(targets, parameters, chip=chip, programming=programming).states
        share.copy_(current.of(states.double(), torch.tensor(voltage, dtype=torch.float64)))
    return shares.div_(current.of(on, voltage))
