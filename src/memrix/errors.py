"""The errors of memrix: each says what was given, what was expected and how to fix it."""

from __future__ import annotations


class MemrixError(Exception):
    """Base of every error that memrix raises on purpose."""


class SettingsError(MemrixError, ValueError):
    """Settings that do not exist, or whose values cannot be."""


class HardwareError(SettingsError):
    """A description of a chip that cannot be built."""


class DeviceError(MemrixError, ValueError):
    """Voltages or states that cells cannot take."""


class ConversionError(MemrixError, ValueError):
    """A model or a layer that cannot be mapped to crossbars as asked."""


class CalibrationError(MemrixError, RuntimeError):
    """Activation ranges are missing, or cannot be taken from the data given."""


class WriteError(MemrixError, RuntimeError):
    """A chip whose weights are no longer those that its cells were written from, or cannot be written again."""


class CheckpointError(MemrixError, RuntimeError):
    """A saved chip that cannot be written, read, or taken over by the model given."""


class NumericsError(MemrixError, ValueError):
    """Weights or activations that are not finite numbers."""


class DataError(MemrixError, ValueError):
    """A corpus, an audio file or a transcript that cannot be used."""


class AssetError(MemrixError, RuntimeError):
    """A download that is missing, damaged or out of reach."""


class CoverageWarning(UserWarning):
    """A layer stays digital although the selection did not exclude it."""
