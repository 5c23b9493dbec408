"""The errors of memrix. The class says whose mistake it is; the message says what was given, what is expected and
how to fix it.
"""

from __future__ import annotations

from memrix._support.renamed import former_names


class MemrixError(Exception):
    """Base of every error that memrix raises on purpose."""


class SettingsError(MemrixError, ValueError):
    """A value given: a setting that does not exist or is out of its range, such as a field of ``Hardware``."""


class ConversionError(MemrixError, ValueError):
    """The model: a layer that cannot be mapped to crossbars as asked, or weights that are not finite."""


class InputError(MemrixError, ValueError):
    """The input of a call: an activation of a wrong shape, type or device, or one that is not finite."""


class CalibrationError(MemrixError, RuntimeError):
    """The calibration: activation ranges are missing, or cannot be taken from the batches given."""


class WriteError(MemrixError, RuntimeError):
    """The weights of a chip: they have changed since they were written to its cells, or cannot be written again."""


class CheckpointError(MemrixError, RuntimeError):
    """The file: a saved chip that cannot be written or read, or does not fit the model given."""


class DataError(MemrixError, ValueError):
    """The data: a corpus, a recording, a transcript or a file of measurements that cannot be used."""


class MetricError(MemrixError, RuntimeError):
    """The metric of a study: it fails on a batch, or gives what is no figure, such as NaN."""


class AssetError(MemrixError, RuntimeError):
    """A download: missing, damaged or out of reach."""


class CoverageWarning(UserWarning):
    """A layer stays digital although the selection did not exclude it."""


class SeedWarning(UserWarning):
    """A seed that was stored by an earlier memrix means other random numbers now."""


__getattr__ = former_names(
    __name__, {"HardwareError": "SettingsError", "DeviceError": "SettingsError", "NumericsError": "InputError"}
)
