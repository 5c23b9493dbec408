"""What protocols have in common that read every cell back: settings, and the circuit that reads."""

from __future__ import annotations

from typing import Protocol

from memrix._support.validation import require_integer, require_number
from memrix.crossbar.protocols.population import fresh_means
from memrix.crossbar.protocols.pulses import Pulsed, require_pulses, require_read_back, require_switching
from memrix.device import CellCurrent, DeviceParameters, ReadBack
from memrix.errors import SettingsError

READ_BANDWIDTH = 1e8  # Hz


class ReadsBack(Protocol):
    """The settings of a protocol that reads cells back.

    Attributes:
        test_voltage: V, of readings.
        read_bits: of the converter that reads back.
        read_bandwidth: of a reading, in Hz.
    """

    @property
    def test_voltage(self) -> float: ...  # noqa: D102 - told above
    @property
    def read_bits(self) -> int: ...  # noqa: D102
    @property
    def read_bandwidth(self) -> float: ...  # noqa: D102


class ClosedLoop(Pulsed, ReadsBack, Protocol):
    """A protocol that reads cells back, in rounds.

    Attributes:
        rounds: of programming.
        tolerance: of a reading, in nominal ON currents.
    """

    @property
    def rounds(self) -> int: ...  # noqa: D102 - told above
    @property
    def tolerance(self) -> float: ...  # noqa: D102


def require_settings(protocol: ClosedLoop) -> None:
    """Raise SettingsError unless the settings that closed loops have in common are valid."""
    require_pulses(protocol)
    require_integer("programming.rounds", protocol.rounds, 1, 100_000)
    require_number("programming.tolerance", protocol.tolerance, 1e-9, 10.0, "ON currents")
    require_read_back(protocol.test_voltage, protocol.read_bits, protocol.read_bandwidth)


def require_device(protocol: ClosedLoop, parameters: DeviceParameters) -> None:
    """Raise SettingsError unless the pulses switch the cells of a device, and its currents are known."""
    require_switching(protocol, parameters)
    if protocol.test_voltage > parameters.swept_voltage:
        raise SettingsError(
            f"programming.test_voltage must not lie beyond {parameters.swept_voltage:g} V, up to where the currents "
            f"of device {parameters.source!r} were measured, got {protocol.test_voltage:g} V"
        )


def read_back_of(protocol: ReadsBack, parameters: DeviceParameters) -> ReadBack:
    """The circuit that reads cells of a device back, for ``Cells.read_back``.

    A reading of 1 is the current of a nominal ON cell (that of reset-set) at the test voltage. What the lines of an
    array take of the current of a cell that is read alone follows from its place, and is taken to be undone.

    Args:
        protocol: with the settings ``test_voltage`` in V, ``read_bits``, and ``read_bandwidth`` in Hz.
        parameters: of the device.
    """
    on, _ = fresh_means(parameters)
    unit = CellCurrent(parameters).of(on, protocol.test_voltage)
    return ReadBack(protocol.test_voltage, protocol.read_bits, protocol.read_bandwidth, unit)
