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

from typing import TYPE_CHECKING

# A file that cannot be read is refused before torch and scikit-learn are waited for.
if TYPE_CHECKING:
    from memrix.device.fitting.cycles import Cycles as Cycles
    from memrix.device.fitting.estimation import fit_parameters as fit_parameters
    from memrix.device.fitting.few_devices import FewDevices as FewDevices, fit_few_devices as fit_few_devices
    from memrix.device.fitting.fit import DeviceFit as DeviceFit, fit_device as fit_device
    from memrix.device.fitting.goodness import Goodness as Goodness, goodness_of_fit as goodness_of_fit
    from memrix.device.fitting.misfit import Misfit as Misfit
    from memrix.device.fitting.reading import read_cycles as read_cycles
    from memrix.device.fitting.settings import FitSettings as FitSettings
    from memrix.device.fitting.simulation import simulate_cycles as simulate_cycles
else:
    from memrix._support.lazy import lazy_names

    __all__, __getattr__, __dir__ = lazy_names(__name__, __file__)
