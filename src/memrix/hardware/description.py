"""The description of a chip: one frozen object that training, programming and execution all read."""

from __future__ import annotations

import dataclasses
from collections import abc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from memrix._support.preset_names import PRESETS, is_hardware_file, preset_file, unknown_preset
from memrix._support.records import toml
from memrix._support.renamed import formerly, warn_renamed, with_former_names
from memrix._support.schema import Reading, invalid
from memrix._support.validation import is_number, plain_settings, require_choice, require_integer
from memrix.crossbar import (
    ADC,
    DAC,
    CellTechnology,
    Drift,
    Faults,
    ProgrammingProtocol,
    Relaxation,
    ResetSet,
    TelegraphNoise,
    Tile,
    Wires,
)
from memrix.crossbar.circuit import ReadCircuit
from memrix.crossbar.mapping import Layout, Mapping
from memrix.crossbar.noise import ReadNoise
from memrix.crossbar.protocols import PROTOCOLS
from memrix.device import CellCurrent, DeviceParameters, ReadRange, load_parameters
from memrix.device.current import NOISES, Noise
from memrix.errors import SettingsError
from memrix.hardware.layers import Changes, LayerSettings
from memrix.hardware.parts import PARTS, Device, as_protocol, replaced, require_part
from memrix.hardware.reading import (
    build_hardware,
    from_table,
    hardware_path,
    of_layers,
    read_file,
    to_table,
    write_file,
)
from memrix.quantization import TERNARY_BITS, WeightRange, WeightScale


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
            ``ResetRamp(step=0.01)``, or its name. One of your own has the interface of
            ``memrix.ProgrammingProtocol``.
        tile: size of each of the two arrays of a tile.
        wires: resistances around the cells; none by default.
        dac: word-line converters; their bits are those of the activations.
        adc: bit-line converters.
        noise: noise of a reading: ``physical``; ``legacy``, as in arXiv 2505.24721's library: its constants, and one
            number per cell that the items of the batch axis share; or ``off``.
        faults: stuck cells; none by default.
        relaxation: of cells after their verification; none by default.
        telegraph: random telegraph noise of the cells; none by default.
        drift: of conductances over time, and the age of the chip; none by default.
        column_calibration: whether ``memrix.program`` fits a digital gain and offset to every column of the
            programmed chip from calibration samples, which ``memrix.calibrate`` collects.
        layers: layers whose tiles differ, or that stay digital: changed settings by name pattern, such as
            ``{"*.position": {"adc.range_bits": 7}, "head": "digital"}``. The changes of all patterns that match
            apply, later ones over earlier ones; a layer is digital if any of them says so.
    """

    weight_bits: float = 4
    weight_scale: WeightScale = "per-output-channel"
    weight_range: WeightRange = field(default="abs-max", metadata=formerly(values={"min-max": "abs-max"}))
    mapping: Mapping = "bit-sliced"
    device: Device = field(default_factory=Device)
    programming: ProgrammingProtocol = field(default_factory=ResetSet)
    tile: Tile = field(default_factory=Tile)
    wires: Wires = field(default_factory=Wires)
    dac: DAC = field(default_factory=DAC)
    adc: ADC = field(default_factory=ADC)
    noise: Noise = "physical"
    faults: Faults = field(default_factory=Faults)
    relaxation: Relaxation = field(default_factory=Relaxation)
    telegraph: TelegraphNoise = field(default_factory=TelegraphNoise)
    drift: Drift = field(default_factory=Drift)
    column_calibration: bool = False
    layers: abc.Mapping[str, Changes] = field(default_factory=LayerSettings)

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
        object.__setattr__(self, "programming", as_protocol(self.programming))
        for name in PARTS:
            require_part(name, getattr(self, name))
        object.__setattr__(self, "layers", LayerSettings(self.layers))
        self.wires.require_parts(self.tile.rows)
        able = " or ".join(repr(name) for name, protocol in PROTOCOLS.items() if protocol.analog)
        if getattr(self.programming, "compensate_wires", False) and not self.programming.analog:
            raise SettingsError(
                f"programming.compensate_wires needs cells at levels between OFF and ON, and programming by "
                f"{self.programming.name!r} leaves none; use programming {able}, or set "
                f"programming.compensate_wires = False"
            )
        if self.mapping == "multi-level" and not self.programming.analog:
            raise SettingsError(
                f"mapping 'multi-level' needs cells at levels between OFF and ON, and programming by "
                f"{self.programming.name!r} leaves none; use programming {able}, or mapping 'bit-sliced'"
            )
        for pattern in self.layers:
            self.of_layers(pattern)

    @classmethod
    def preset(cls, name: str) -> Hardware:
        """A chip that comes with memrix: a TOML file in ``memrix/hardware/presets`` that explains its settings.

        ``physical``: the chip to start from; the same as ``Hardware()``. ``tuned``: the same with every mitigation
        technique. ``realistic``: ``tuned`` with wires, converters with errors, and cells that do not stay as they
        were programmed. ``paper``: arXiv 2505.24721, as its library computes it. ``ideal``: the fake-quantized
        network.

        Raises:
            SettingsError: there is no preset of this name.
        """
        if not isinstance(name, str) or name not in PRESETS:
            raise unknown_preset(name)
        return cls.load(preset_file(name))

    @staticmethod
    def presets() -> tuple[str, ...]:
        """Names of the presets, for ``preset``."""
        return PRESETS

    @classmethod
    def named(cls, name_or_file: str) -> Hardware:
        """A preset by its name, or a ``.toml`` or ``.json`` file by its path.

        Raises:
            SettingsError: there is neither.
        """
        path = hardware_path(name_or_file)
        return cls.load(path) if is_hardware_file(path) else cls.preset(name_or_file)

    def replace(self, **changes: Any) -> Hardware:  # noqa: ANN401
        """A copy with some settings changed; dotted names reach inside: ``**{"adc.range_bits": 6}``.

        Raises:
            SettingsError: a setting does not exist or its value is not valid.
        """
        return dataclasses.replace(self, **replaced(self, changes))

    def of_layers(self, *patterns: str) -> Hardware | None:
        """The chip of the layers that these patterns of ``layers`` match, in order; None: they stay digital."""
        return of_layers(self, patterns)

    def __str__(self) -> str:
        """The description as TOML, every setting of it."""
        return toml(to_table(self)).rstrip()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and tables, as in the TOML and JSON files."""
        return to_table(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any], base: Hardware | None = None) -> Hardware:
        """The opposite of ``to_dict``; settings that are not given keep their defaults, or are those of ``base``.

        Dotted names reach inside, as in ``replace``. A programming protocol that is named has settings of its own.

        Raises:
            SettingsError: lists every unknown setting and wrong value at once.
        """
        return from_table(cls, settings, base)

    @classmethod
    def read_table(cls, value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
        """The hardware of a table at a ``place`` in a tree; its problems are added to the ``reading`` of the tree."""
        if not isinstance(value, dict):
            return reading.expect(place, "a table of settings", value)
        problems: list[str] = []
        hardware = build_hardware(cls, value, problems, complete=reading.complete)
        reading.problems += [f"{place}: {problem}" for problem in problems]
        return invalid() if hardware is None else hardware

    def save(self, path: str | Path) -> None:
        """Write a ``.toml`` or ``.json`` file that ``load`` reads.

        Raises:
            SettingsError: the file has another ending, or cannot be written; or the programming protocol is not
                registered (``memrix.register_protocol``), so that ``load`` could not read it.
        """
        write_file(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Hardware:
        """Read a ``.toml`` or ``.json`` file; settings that are not given keep their defaults.

        Raises:
            SettingsError: the file is missing or damaged, or lists every setting that is wrong.
        """
        return read_file(cls, path)

    @property
    def planes(self) -> int:
        """Bit slices, that is differential pairs per weight."""
        return self.layout(1, 1, 1).planes

    @property
    def circuit(self) -> ReadCircuit:
        """The converters and the noise between them."""
        fast = self.telegraph.read_noise(self.reading_seconds) if self.noise != "off" else 0.0
        noise = ReadNoise(self.noise, self.device.temperature, self.device.bandwidth, fast)
        return ReadCircuit(self.dac, self.adc, noise, self.device.activation)

    @property
    def parameters(self) -> DeviceParameters:
        """The measured parameters of the cells.

        Raises:
            SettingsError: the file that ``device.parameters`` names cannot be used.
        """
        return load_parameters(self.device.parameters)

    @property
    def reading_seconds(self) -> float:
        """How long a reading lasts, in s: a mean over it has the bandwidth of the noise."""
        return 1 / (2 * self.device.bandwidth)

    @property
    def technology(self) -> CellTechnology:
        """The cells, their programming, and what becomes of them."""
        return self.technology_of(self.parameters)

    def technology_of(self, parameters: DeviceParameters) -> CellTechnology:
        """The same with the parameters of a device, whatever ``device.parameters`` names."""
        volts = self.dac.voltages(CellCurrent(parameters))
        reads = ReadRange(float(volts[0]), float(volts[-1]), self.device.read_disturb)
        return CellTechnology(
            parameters,
            self.programming,
            self.faults,
            self.drift,
            reads,
            self.relaxation,
            self.telegraph,
            self.reading_seconds,
        )

    @property
    def steps_key(self) -> tuple[object, ...]:
        """What steps of weights and activations depend on: learned ones fit no other hardware."""
        return self.weight_bits, self.weight_scale, self.dac.bits

    @property
    def compensates_wires(self) -> bool:
        """Whether cells are programmed for the wires around them: the hardware has wires, and the setting is on."""
        return not self.wires.ideal and getattr(self.programming, "compensate_wires", False)

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
        return Layout.of(
            groups,
            inputs,
            outputs,
            weight_bits=self.weight_bits,
            mapping=self.mapping,
            tile=self.tile,
            rows_at_once=self.wires.rows_at_once,
        )
