"""Where the device model means something: the ranges of physical settings, and why they end there."""

from __future__ import annotations

from memrix._support.validation import require_number
from memrix.errors import MemrixError, SettingsError

# V, on either side. The measured device was swept up to 1.46 V and is programmed with 2 V.
PULSE_RANGE = 5.0
NO_BREAKDOWN = "the device model knows no breakdown beyond"
READ_RANGE = 1.5  # V
NOT_MEASURED = "beyond, the currents of the cells were not measured"
LEAST_READ_VOLTAGE = 1e-3  # V
_READINGS = "below, noise is all there is; above, the currents of the cells were not measured"
_TEMPERATURES = 77.0, 600.0  # K
_ROOM = "the cells were measured at room temperature; noise follows another one, and currents by their energies"
_BANDWIDTHS = 1.0, 1e12  # Hz
_WHITE = "slower readings have 1/f noise alone, and thermal noise ends near k T / h = 6 THz"
_WIDTHS = 1e-10, 1.0  # s
_NO_TIME = "the measured thresholds know no time"


def require_pulse_voltage(name: str, volts: object, error: type[MemrixError] = SettingsError) -> None:
    """Raise unless a value is the voltage of a pulse, in V."""
    require_number(name, volts, -PULSE_RANGE, PULSE_RANGE, "V", why=NO_BREAKDOWN, error=error)


def require_read_voltage(name: str, volts: object) -> None:
    """Raise SettingsError unless a value is the magnitude of a voltage that cells are read at, in V."""
    require_number(name, volts, LEAST_READ_VOLTAGE, READ_RANGE, "V", why=_READINGS)


def require_temperature(name: str, kelvin: object) -> None:
    """Raise SettingsError unless a value is a temperature in K that the noise of a reading can have."""
    require_number(name, kelvin, *_TEMPERATURES, "K", why=_ROOM)


def require_bandwidth(name: str, hertz: object) -> None:
    """Raise SettingsError unless a value is the bandwidth of a reading, in Hz."""
    require_number(name, hertz, *_BANDWIDTHS, "Hz", why=_WHITE)


def require_pulse_width(name: str, seconds: object, error: type[MemrixError] = SettingsError) -> None:
    """Raise unless a value is the width of a pulse, in s."""
    require_number(name, seconds, *_WIDTHS, "s", why=_NO_TIME, error=error)
