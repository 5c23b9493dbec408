"""The description of a chip: one frozen object that training, programming and execution all read."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

from memrix._support.building import build
from memrix._support.documents import file_path, load_tree, parse_json, parse_toml
from memrix._support.preset_names import SYNAPTOGEN, is_hardware_file, unknown_preset
from memrix._support.records import closest, merged, nested, toml
from memrix._support.renamed import formerly, warn_renamed, with_former_names
from memrix._support.schema import FileName, Reading, invalid
from memrix._support.validation import is_number, plain_settings, require_choice, require_integer, shown
from memrix.crossbar import ADC, DAC, CellTechnology, Drift, Faults, ProgrammingProtocol, ResetSet, Tile
from memrix.crossbar.mapping import Layout, Mapping
from memrix.crossbar.protocols import PROTOCOLS
from memrix.crossbar.readout import ReadCircuit
from memrix.device import CellCurrent, DeviceParameters, ReadRange, load_parameters
from memrix.device.current import NOISES, Noise
from memrix.device.ranges import require_bandwidth, require_temperature
from memrix.errors import SettingsError
from memrix.quantization import TERNARY_BITS, WeightRange, WeightScale


@dataclass(frozen=True)
class Device:
    """The technology of the cells and the conditions of a reading.

    Attributes:
        parameters: ``synaptogen`` (the measured device) or the path of a JSON file of the same layout.
        temperature: K.
        bandwidth: of a reading, in Hz.
        read_disturb: whether readings switch the cells whose thresholds lie within the voltages that their word line
            has seen. It takes memory for every cell within reach, about 120 bytes. Cells programmed by ``ideal``
            are not disturbed.
    """

    parameters: Annotated[str, FileName()] = SYNAPTOGEN
    temperature: float = 300.0
    bandwidth: float = 1e8
    read_disturb: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.parameters, str) or not self.parameters:
            raise SettingsError(
                f"device.parameters must be {SYNAPTOGEN!r} or the path of a JSON file, got {shown(self.parameters)}"
            )
        file_path(self.parameters, SettingsError, "device.parameters")
        plain_settings(self)
        require_temperature("device.temperature", self.temperature)
        require_bandwidth("device.bandwidth", self.bandwidth)
        require_choice("device.read_disturb", self.read_disturb, (True, False))


@with_former_names
@dataclass(frozen=True)
class Hardware:
    """A memristor chip. Everything is validated on construction; ``SettingsError`` says what is wrong.

    Attributes:
        weight_bits: bits of a weight, its sign included: a whole number from 2 to 16, or 1.5 for ternary weights.
        weight_scale: one scale ``per-output-channel`` or ``per-tensor`` (a digital factor after the ADC).
        weight_range: ``abs-max``: the largest weight is the largest integer; or ``mean-square-error``: the
            range with the least mean squared error of rounding and clipping.
        mapping: ``bit-sliced``: every bit of the magnitude is a differential pair of cells, ON or OFF; or
            ``multi-level``: one pair holds the whole weight, which needs a protocol that reaches levels in between.
        device: the cells.
        programming: the protocol that writes them, such as ``ResetSet()``, ``WriteVerify(rounds=5)`` or
            ``ResetRamp(step=0.01)``, or its name.
        tile: size of one array.
        dac: word-line converters; their bits are those of the activations.
        adc: bit-line converters.
        noise: of a reading: ``physical``, ``legacy`` (as in arXiv 2505.24721's library: its constants, and
            one number a cell that the items of the first axis of a batch share) or ``off``.
        faults: stuck cells; none by default.
        drift: of conductances over time; none by default.
        column_calibration: whether ``memrix.program`` fits a digital gain and offset to every column of the
            programmed chip from calibration samples, which ``memrix.calibrate`` collects.
    """

    weight_bits: float = 4
    weight_scale: WeightScale = "per-output-channel"
    weight_range: WeightRange = field(default="abs-max", metadata=formerly(values={"min-max": "abs-max"}))
    mapping: Mapping = "bit-sliced"
    device: Device = field(default_factory=Device)
    programming: ProgrammingProtocol = field(default_factory=ResetSet)
    tile: Tile = field(default_factory=Tile)
    dac: DAC = field(default_factory=DAC)
    adc: ADC = field(default_factory=ADC)
    noise: Noise = "physical"
    faults: Faults = field(default_factory=Faults)
    drift: Drift = field(default_factory=Drift)
    column_calibration: bool = False

    def __post_init__(self) -> None:
        plain_settings(self)
        if isinstance(self.weight_bits, float) and self.weight_bits.is_integer():
            object.__setattr__(self, "weight_bits", int(self.weight_bits))
        if not (is_number(self.weight_bits) and self.weight_bits == TERNARY_BITS):
            require_integer("weight_bits", self.weight_bits, 2, 16, or_else="1.5 for ternary weights")
        require_choice("weight_scale", self.weight_scale, get_args(WeightScale))
        require_choice("weight_range", self.weight_range, get_args(WeightRange))
        require_choice("mapping", self.mapping, get_args(Mapping))
        require_choice("noise", self.noise, NOISES)
        require_choice("column_calibration", self.column_calibration, (True, False))
        object.__setattr__(self, "programming", _protocol(self.programming))
        for name in _PARTS:
            _require_part(name, getattr(self, name))
        if self.mapping == "multi-level" and not self.programming.analog:
            able = " or ".join(repr(name) for name, protocol in PROTOCOLS.items() if protocol.analog)
            raise SettingsError(
                f"mapping 'multi-level' needs cells at levels between OFF and ON, and programming by "
                f"{self.programming.name!r} leaves none; use programming {able}, or mapping 'bit-sliced'"
            )

    @classmethod
    def preset(cls, name: str) -> Hardware:
        """A named chip.

        ``paper``: arXiv 2505.24721 as its library computes it (noise constants included). Warning: its readings at up
        to -0.6 V lie beyond the SET threshold of 11 % of the OFF cells; the paper, and the preset, leave them alone.
        ``physical``: the same cells, tiles and converters, with word lines that stay within +-0.4 V, where readings
        disturb next to no cell, the read noise that physics gives them and a weight scale per output channel, which
        costs nothing in hardware: the default.
        ``tuned``: ``physical`` with every mitigation technique: cells programmed by a closed-loop ramp, a
        linearizing DAC, an ADC whose bits and gain suit each layer, columns calibrated after programming. It costs
        about 65 pulses a cell instead of 1.1, and the bits of the converters stay the same.
        ``ideal``: no variability, no noise, converters that lose nothing (on tiles of up to 2048 rows and with a DAC
        of up to 13 bits): the quantized network.

        Raises:
            SettingsError: there is no preset of this name.
        """
        presets = _presets()
        if not isinstance(name, str) or name not in presets:
            raise unknown_preset(name)
        return presets[name]

    @classmethod
    def named(cls, name_or_file: str) -> Hardware:
        """A preset by its name, or a ``.toml`` or ``.json`` file by its path.

        Raises:
            SettingsError: there is neither.
        """
        path = _path(name_or_file)
        if is_hardware_file(path):
            return cls.load(path)
        return cls.preset(name_or_file)

    def replace(self, **changes: Any) -> Hardware:  # noqa: ANN401
        """A copy with some settings changed; dotted names reach inside: ``**{"adc.range_bits": 6}``.

        Raises:
            SettingsError: a setting does not exist or its value is not valid.
        """
        inside: dict[str, dict[str, Any]] = {}
        direct: dict[str, Any] = {}
        known = _settings(self)
        for name, value in changes.items():
            part, dot, setting = name.partition(".")
            if part not in known:
                raise SettingsError(
                    f"Hardware has no setting {part!r}{closest(part, known)}; it has {', '.join(known)}"
                )
            if dot:
                inside.setdefault(part, {})[setting] = value
            else:
                direct[part] = _protocol(value) if part == "programming" else value
        for part, settings_of_part in inside.items():
            direct[part] = _changed_part(part, direct.get(part, getattr(self, part)), settings_of_part)
        return dataclasses.replace(self, **direct)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and tables, as in the TOML and JSON files."""
        plain = dataclasses.asdict(self)
        plain["programming"] = {"protocol": self.programming.name, **plain["programming"]}
        return plain

    @classmethod
    def from_dict(cls, settings: dict[str, Any], base: Hardware | None = None) -> Hardware:
        """The opposite of ``to_dict``; settings that are not given keep their defaults, or are those of ``base``.

        Dotted names reach inside, as in ``replace``. A programming protocol that is named has settings of its own.

        Raises:
            SettingsError: lists every unknown setting and wrong value at once.
        """
        plain = _tables(settings) if base is None else merged(base.to_dict(), _tables(settings), unless="protocol")
        problems: list[str] = []
        hardware = cls._build(plain, problems, complete=False)
        if problems or hardware is None:
            raise SettingsError("this hardware description cannot be used:\n  " + "\n  ".join(problems))
        return hardware

    @classmethod
    def read_table(cls, value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
        """The hardware of a table inside a tree; see ``memrix._support.schema``."""
        if not isinstance(value, dict):
            return reading.expect(place, "a table of settings", value)
        problems: list[str] = []
        hardware = cls._build(value, problems, complete=reading.complete)
        reading.problems += [f"{place}: {problem}" for problem in problems]
        return invalid() if hardware is None else hardware

    @classmethod
    def _build(cls, plain: dict[str, Any], problems: list[str], *, complete: bool) -> Hardware | None:
        """The hardware of a table of tables, or None; what is wrong is added to ``problems``."""
        before = len(problems)
        settings = dict(plain)
        if "programming" in settings or not complete:
            settings["programming"] = _built_protocol(settings.get("programming", {}), problems, complete=complete)
        for name in _PARTS:
            if name in settings and name != "programming":
                settings[name] = build(_PARTS[name], settings[name], name, problems, complete=complete)
        made = {name: value for name, value in settings.items() if name not in _PARTS or value is not None}
        hardware = build(cls, made, "", problems, complete=complete and len(made) == len(settings))
        return None if len(problems) > before else hardware

    def save(self, path: str | Path) -> None:
        """Write a ``.toml`` or ``.json`` file that ``load`` reads.

        Raises:
            SettingsError: the file has another ending, or cannot be written.
        """
        path = _path(path)
        if path.suffix not in (".json", ".toml"):
            raise SettingsError(f"a hardware description is saved as .toml or .json, got {str(path)!r}")
        text = json.dumps(self.to_dict(), indent=2) + "\n" if path.suffix == ".json" else toml(self.to_dict())
        try:
            path.write_bytes(text.encode())
        except OSError as error:
            raise SettingsError(f"{str(path)!r} cannot be written ({error.strerror}); name another place") from error
        except UnicodeEncodeError as error:
            raise SettingsError(
                f"TOML holds text that is valid Unicode, got {error.object[error.start : error.end]!r} in it; "
                f"save as .json, or rename what {self.device.parameters!r} names"
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> Hardware:
        """Read a ``.toml`` or ``.json`` file; settings that are not given keep their defaults.

        Raises:
            SettingsError: the file is missing or damaged, or lists every setting that is wrong.
        """
        path = _path(path)
        parse = parse_toml if path.suffix == ".toml" else parse_json
        fix = f"write one with Hardware.preset('paper').save({str(path)!r})"
        settings = load_tree(path, parse, "the hardware description", SettingsError, fix)
        try:
            return cls.from_dict(settings)
        except SettingsError as error:
            raise SettingsError(f"{str(path)!r}: {error}") from error

    @property
    def planes(self) -> int:
        """Differential pairs a weight."""
        return self.layout(1, 1, 1).planes

    @property
    def circuit(self) -> ReadCircuit:
        """The converters and the noise between them."""
        return ReadCircuit(self.dac, self.adc, self.noise, self.device.temperature, self.device.bandwidth)

    @property
    def parameters(self) -> DeviceParameters:
        """The measured parameters of the cells.

        Raises:
            SettingsError: the file that ``device.parameters`` names cannot be used.
        """
        return load_parameters(self.device.parameters)

    @property
    def technology(self) -> CellTechnology:
        """The cells, how they are programmed and what becomes of them."""
        parameters = self.parameters
        volts = self.dac.voltages(CellCurrent(parameters))
        reads = ReadRange(float(volts[0]), float(volts[-1]), self.device.read_disturb)
        return CellTechnology(parameters, self.programming, self.faults, self.drift, reads)

    @property
    def steps_key(self) -> tuple[object, ...]:
        """What steps of weights and activations depend on: learned ones fit no other hardware."""
        return self.weight_bits, self.weight_scale, self.dac.bits

    @property
    def needs_calibration_samples(self) -> bool:
        """Whether a chip is tuned after programming."""
        return self.adc.per_layer or self.column_calibration

    @property
    def needs_test_vectors(self) -> bool:
        """The former name of ``needs_calibration_samples``."""
        warn_renamed("Hardware.needs_test_vectors", "Hardware.needs_calibration_samples")
        return self.needs_calibration_samples

    def layout(self, groups: int, inputs: int, outputs: int) -> Layout:
        """How ``groups`` matrices of ``inputs`` x ``outputs`` weights lie on this chip."""
        return Layout.of(groups, inputs, outputs, weight_bits=self.weight_bits, mapping=self.mapping, tile=self.tile)


_PARTS: dict[str, Any] = {
    "device": Device,
    "programming": ProgrammingProtocol,
    "tile": Tile,
    "dac": DAC,
    "adc": ADC,
    "faults": Faults,
    "drift": Drift,
}


_VMAX_OF_PAPER = 0.6  # V, of arXiv 2505.24721


def _presets() -> dict[str, Hardware]:
    return {
        "paper": Hardware(weight_scale="per-tensor", dac=DAC(vmax=_VMAX_OF_PAPER, levels="equal"), noise="legacy"),
        "physical": Hardware(),
        "tuned": Hardware(
            programming="reset-ramp",  # type: ignore[arg-type]
            dac=DAC(levels="linearizing"),
            adc=ADC(per_layer=True),
            column_calibration=True,
        ),
        # Readings of ideal cells are multiples of 2**(1 - dac.bits): finer steps and a range beyond the rows
        # of a tile convert them without loss.
        "ideal": Hardware(
            programming="ideal",  # type: ignore[arg-type]
            dac=DAC(vmax=_VMAX_OF_PAPER, levels="linearizing"),
            adc=ADC(precision_bits=12, range_bits=12),
            noise="off",
        ),
    }


def _protocol(programming: Any) -> Any:  # noqa: ANN401
    """The protocol of a name; anything else as it is."""
    if not isinstance(programming, str):
        return programming
    require_choice("programming", programming, tuple(PROTOCOLS))
    return PROTOCOLS[programming]()


def _require_part(name: str, value: object) -> None:
    """Raise SettingsError unless ``value`` is what the part ``name`` of a chip is made of."""
    kind = _PARTS[name]
    if isinstance(value, type) or not isinstance(value, kind):
        raise SettingsError(
            f"{name} must be a memrix {kind.__name__}, got {shown(value)}; to change one of its settings use "
            f"replace(**{{'{name}.<setting>': value}})"
        )


def _changed_part(name: str, part: Any, changes: dict[str, Any]) -> Any:  # noqa: ANN401
    if name in _PARTS:
        _require_part(name, part)
    known = _settings(part)
    for setting in changes:
        if setting not in known:
            raise SettingsError(
                f"{name} has no setting {setting!r}{closest(setting, known)}; it has {', '.join(known) or 'none'}"
            )
    return dataclasses.replace(part, **changes)


def _settings(part: Any) -> list[str]:  # noqa: ANN401
    return [f.name for f in dataclasses.fields(part)] if dataclasses.is_dataclass(part) else []


def _tables(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with a table for every part that is named or reached into."""
    if not isinstance(settings, dict):
        raise SettingsError(f"a hardware description must be a table of settings, got {shown(settings)}")
    programming = settings.get("programming")
    return nested(
        {**settings, "programming": {"protocol": programming}} if isinstance(programming, str) else settings
    )


def _path(path: str | Path) -> Path:
    what = "a hardware description is named by a preset or by the path of a file; it"
    return file_path(path, SettingsError, what)


def _built_protocol(table: object, problems: list[str], *, complete: bool) -> ProgrammingProtocol | None:
    if not isinstance(table, dict):
        problems.append(f"programming must be a protocol's name or a table, got {shown(table)}")
        return None
    name = table.get("protocol", None if complete else ResetSet.name)
    if not isinstance(name, str) or name not in PROTOCOLS:
        problems.append(f"programming.protocol must be one of {', '.join(PROTOCOLS)}, got {shown(name)}")
        return None
    rest = {key: value for key, value in table.items() if key != "protocol"}
    return build(PROTOCOLS[name], rest, "programming", problems, complete=complete)
