"""The parts of a chip: their classes by the names of their tables, and how one of their settings is changed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from memrix._support.documents import file_path
from memrix._support.preset_names import SYNAPTOGEN
from memrix._support.records import closest
from memrix._support.renamed import in_present_names
from memrix._support.schema import FileName
from memrix._support.validation import plain_settings, require_choice, require_number, shown
from memrix.crossbar import (
    ADC,
    DAC,
    Drift,
    Faults,
    ProgrammingProtocol,
    Relaxation,
    TelegraphNoise,
    Tile,
    Wires,
)
from memrix.crossbar.activation import Activation
from memrix.crossbar.protocols import PROTOCOLS, protocol_name
from memrix.crossbar.protocols.registry import require_protocol, unknown_protocol
from memrix.device.ranges import require_bandwidth, require_temperature
from memrix.errors import SettingsError


@dataclass(frozen=True)
class Device:
    """The technology of the cells and the conditions of a reading.

    Attributes:
        parameters: ``synaptogen`` (the measured device) or the path of a JSON file of the same layout.
        temperature: temperature of readings, in K. It acts on their thermal noise, and on currents by the energies
            below. Cells are programmed and verified at 300 K. Neither their thresholds nor the resistance of wires
            depend on it.
        bandwidth: bandwidth of a reading, in Hz. A reading takes ``1 / (2 * bandwidth)``.
        read_disturb: whether readings switch cells whose thresholds are within the voltages that their word line has
            carried, less what wires take. Each cell within reach takes about 120 bytes. Cells programmed by ``ideal``
            are not disturbed.
        on_activation_energy: activation energy of the current of ON cells, in eV: ``G(T) = G(300 K) exp(-E / k
            (1 / T - 1 / 300 K))``. The device was measured at room temperature alone: the energies are yours, and
            by default the currents do not change. Converters and columns are fitted at ``temperature``.
        off_activation_energy: activation energy of the current of OFF cells, in eV. Cells in between are
            interpolated.
    """

    parameters: Annotated[str, FileName()] = SYNAPTOGEN
    temperature: float = 300.0
    bandwidth: float = 1e8
    read_disturb: bool = False
    on_activation_energy: float = 0.0
    off_activation_energy: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.parameters, str) or not self.parameters:
            raise SettingsError(
                f"device.parameters must be {SYNAPTOGEN!r} or the path of a JSON file, got {shown(self.parameters)}"
            )
        file_path(self.parameters, SettingsError, "device.parameters")
        plain_settings(self)
        require_temperature("device.temperature", self.temperature)
        require_bandwidth("device.bandwidth", self.bandwidth)
        for name in ("on_activation_energy", "off_activation_energy"):
            require_number(f"device.{name}", getattr(self, name), -1.0, 1.0, "eV")
        require_choice("device.read_disturb", self.read_disturb, (True, False))

    @property
    def activation(self) -> Activation:
        """How currents follow the temperature."""
        return Activation(self.on_activation_energy, self.off_activation_energy, self.temperature)


PARTS: dict[str, Any] = {
    "device": Device,
    "programming": ProgrammingProtocol,
    "tile": Tile,
    "wires": Wires,
    "dac": DAC,
    "adc": ADC,
    "faults": Faults,
    "relaxation": Relaxation,
    "telegraph": TelegraphNoise,
    "drift": Drift,
}


def as_protocol(programming: Any) -> Any:  # noqa: ANN401
    """The protocol of a name; anything else is returned unchanged."""
    if not isinstance(programming, str):
        return programming
    programming = protocol_name(programming)
    if programming not in PROTOCOLS:
        raise SettingsError(unknown_protocol("programming", programming))
    return PROTOCOLS[programming]()


def require_part(name: str, value: object) -> None:
    """Raise SettingsError unless ``value`` is of the class of the part ``name`` of a chip."""
    if name == "programming":
        require_protocol(value)
        plain_settings(value)
        return
    kind = PARTS[name]
    if isinstance(value, type) or not isinstance(value, kind):
        raise SettingsError(
            f"{name} must be a memrix {kind.__name__}, got {shown(value)}; to change one of its settings use "
            f"replace(**{{'{name}.<setting>': value}})"
        )


def changed_part(name: str, part: Any, changes: dict[str, Any]) -> Any:  # noqa: ANN401
    """A copy of a part of a chip with some of its settings changed.

    Raises:
        SettingsError: there is no such part, or it has no such setting, or a value is not valid.
    """
    if name in PARTS:
        require_part(name, part)
        changes = in_present_names(type(part), changes, stacklevel=6)
    known = settings_of(part)
    for setting in changes:
        if setting not in known:
            raise SettingsError(
                f"{name} has no setting {setting!r}{closest(setting, known)}; it has {', '.join(known) or 'none'}"
                f"{_elsewhere(name, setting)}"
            )
    return dataclasses.replace(part, **changes)


def replaced(description: Any, changes: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Changed settings and parts of a description, of changes whose dotted names reach inside.

    Raises:
        SettingsError: a setting does not exist or its value is not valid.
    """
    changes = in_present_names(type(description), changes, stacklevel=5)
    inside: dict[str, dict[str, Any]] = {}
    direct: dict[str, Any] = {}
    known = settings_of(description)
    for name, value in changes.items():
        part, dot, setting = name.partition(".")
        if part not in known:
            raise SettingsError(f"Hardware has no setting {part!r}{closest(part, known)}; it has {', '.join(known)}")
        if dot:
            inside.setdefault(part, {})[setting] = value
        else:
            direct[part] = as_protocol(value) if part == "programming" else value
    for part, settings_of_part in inside.items():
        direct[part] = changed_part(part, direct.get(part, getattr(description, part)), settings_of_part)
    return direct


def _elsewhere(name: str, setting: str) -> str:
    """Which other protocols have a setting, for a message."""
    able = [f"{key!r}" for key, protocol in PROTOCOLS.items() if setting in settings_of(protocol)]
    return f"; programming {' or '.join(able)} has {setting!r}" if name == "programming" and able else ""


def settings_of(part: Any) -> list[str]:  # noqa: ANN401
    """Names of the settings of a part; none of anything else."""
    return [f.name for f in dataclasses.fields(part)] if dataclasses.is_dataclass(part) else []
