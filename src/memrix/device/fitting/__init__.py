"""From measurements to device parameters: reading a file, estimating, judging the fit.

Needs the extra ``memrix[device]``. ``fit_device`` does it all::

    file --- delimited ---> table --- columns ---> names, units --- rows ---> numbers
                                                                                |
                                 I-V loops --- sweeps, loops, extremes ---+     |
                                                                          v     v
                                                             Cycles [devices, cycles]
                                                                          |
                             sufficiency: do they allow a fit? ---------->|
                                                                          v
    fit_parameters: shapes ---> memory, process ---> population ---> DeviceParameters
                    Gamma       autoregressions      mixture              |
                                                                          v
    goodness <--- symptoms, misfit <--- simulation: the same figures of cycles drawn from the fit

A file that cannot be used is refused with everything that is wrong with it, by line. ``few_devices`` fits what a few
devices show, and says in words what it assumed about the rest. ``estimation`` explains the method and its standard
errors; ``layout`` names the columns of a file and their units; ``settings`` are the options of a fit.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memrix.device.fitting.cycles import Cycles
    from memrix.device.fitting.estimation import fit_parameters
    from memrix.device.fitting.few_devices import FewDevices, fit_few_devices
    from memrix.device.fitting.fit import DeviceFit, fit_device
    from memrix.device.fitting.goodness import Goodness, goodness_of_fit
    from memrix.device.fitting.misfit import Misfit
    from memrix.device.fitting.reading import read_cycles
    from memrix.device.fitting.settings import FitSettings
    from memrix.device.fitting.simulation import simulate_cycles

__all__ = [
    "Cycles",
    "DeviceFit",
    "FewDevices",
    "FitSettings",
    "Goodness",
    "Misfit",
    "fit_device",
    "fit_few_devices",
    "fit_parameters",
    "goodness_of_fit",
    "read_cycles",
    "simulate_cycles",
]

_HOMES = {
    "Cycles": "cycles",
    "DeviceFit": "fit",
    "FewDevices": "few_devices",
    "FitSettings": "settings",
    "Goodness": "goodness",
    "Misfit": "misfit",
    "fit_device": "fit",
    "fit_few_devices": "few_devices",
    "fit_parameters": "estimation",
    "goodness_of_fit": "goodness",
    "read_cycles": "reading",
    "simulate_cycles": "simulation",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # A file that cannot be read is refused before torch and scikit-learn are waited for.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
