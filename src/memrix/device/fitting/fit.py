"""From a file of measurements to a device, and how well it describes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memrix.device.fitting.reading import read_cycles
from memrix.device.fitting.settings import FitSettings

if TYPE_CHECKING:
    from memrix.device.fitting.cycles import Cycles
    from memrix.device.fitting.goodness import Goodness
    from memrix.device.parameters import DeviceParameters


@dataclass(frozen=True, eq=False)
class DeviceFit:
    """A device that was fitted to measurements.

    Attributes:
        measured: the cycles.
        parameters: of the device.
        goodness: how well the parameters describe the cycles.
        assumptions: what was assumed because so few devices do not show it, one sentence each.
    """

    measured: Cycles
    parameters: DeviceParameters
    goodness: Goodness
    assumptions: tuple[str, ...] = ()


def fit_device(
    path: str | Path, settings: FitSettings | None = None, progress: Callable[[str], None] | None = None
) -> DeviceFit:
    """Fit a device to a file of switching cycles or I-V loops.

    Fewer than nine devices give a parametric device, of means and spreads (``fit_few_devices``).

    Args:
        path: the file, as ``read_cycles`` describes it.
        settings: how to read it, and how to fit.
        progress: takes a line when a step of the work begins.

    Raises:
        DataError: the file cannot be read, or its cycles do not allow this fit: every reason, and what would.
        SettingsError: a setting out of its range.
    """
    settings = settings or FitSettings()
    tell = progress or (lambda _: None)
    measured = read_cycles(
        path,
        settings.cycles,
        columns=settings.columns,
        flip_polarity=settings.flip_polarity,
        read_voltage=settings.read_voltage,
    )
    tell(f"fitting {len(measured.devices)} devices of {measured.count} cycles")
    # A file that cannot be read is refused before torch and scikit-learn are imported.
    from memrix.device.fitting.estimation import fit_parameters
    from memrix.device.fitting.few_devices import FEWEST_DEVICES, fit_few_devices
    from memrix.device.fitting.goodness import goodness_of_fit
    from memrix.device.parametric import RESET_EXPONENT

    exponent = RESET_EXPONENT if settings.reset_exponent is None else settings.reset_exponent
    few = len(measured.devices) < FEWEST_DEVICES
    assumptions: tuple[str, ...] = ()
    if few:
        description = fit_few_devices(
            measured,
            read_voltage=settings.read_voltage,
            full_reset_voltage=settings.full_reset_voltage,
            reset_exponent=exponent,
        )
        parameters, assumptions = description.parameters, description.assumptions
    else:
        parameters = fit_parameters(
            measured,
            order=settings.order,
            components=settings.components,
            read_voltage=settings.read_voltage,
            full_reset_voltage=settings.full_reset_voltage,
            reset_exponent=exponent,
            seed=settings.seed,
        )
    tell("comparing the fit with the measurements")
    goodness = goodness_of_fit(parameters, measured, seed=settings.seed, gross=few)
    return DeviceFit(measured, parameters, goodness, assumptions)
