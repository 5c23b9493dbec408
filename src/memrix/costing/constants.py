"""Constants of costs: numbers with unit, node and source, from one file that can be replaced."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from memrix._support.documents import file_path, load_tree, parse_toml
from memrix._support.records import closest
from memrix._support.schema import kinds
from memrix._support.validation import is_number, shown
from memrix._support.wording import listing
from memrix.errors import SettingsError

BUILT_IN = Path(__file__).with_name("constants.toml")

_UNITS = {"V": 1.0, "ns": 1e-9, "pJ": 1e-12, "fJ": 1e-15, "aJ": 1e-18, "um2": 1e-12}
_PARTS = ("value", "unit", "node", "source")


@dataclass(frozen=True)
class Constant:
    """A number that is known from somewhere.

    Attributes:
        value: in the unit.
        unit: as in the file, such as ``pJ``.
        node: of the technology, such as ``22 nm``.
        source: a publication, or what is assumed.

    Raises:
        SettingsError: a value that is negative or not finite, an unknown unit, or no node or source.
    """

    value: float
    unit: str
    node: str
    source: str

    def __post_init__(self) -> None:
        problems = _part_problems("constant", self.unit, asdict(self))
        if self.unit not in tuple(_UNITS):
            problems.append(f"constant.unit must be one of {', '.join(_UNITS)}, got {shown(self.unit)}")
        if problems:
            raise SettingsError("; ".join(problems))

    @property
    def si(self) -> float:
        """The value in J, s, V or m²."""
        return self.value * _UNITS[self.unit]


@dataclass(frozen=True)
class CostConstants:
    """What one conversion, sum, product or cell costs; ``memrix/costing/constants.toml`` has values and sources.

    Attributes:
        reading_time: that word lines are driven for, in each phase of a reading.
        adc_energy: of a conversion, what does not depend on the levels of the converter.
        adc_energy_per_level: of a conversion, for each level.
        adc_energy_per_level_squared: of a conversion, for each level squared.
        adc_time: of a conversion, what does not depend on the levels.
        adc_time_per_bit: of a conversion, for each factor of 2 in levels.
        adc_area: of a converter, whatever its bits.
        dac_energy_per_bit: of one input of one word line.
        dac_area_per_level: of one converter of a word line.
        driver_supply: voltage that linear drivers take their current from, at least that of the largest code; 0:
            drivers without losses.
        cell_area: the square of the pitch.
        sum_energy: of adding one conversion to others.
        scale_energy: of scale and offset of one result.
        multiply_energy: of one product of a digital layer at 8 bits.
        accumulate_energy: of adding it.
        sram_energy_per_byte: of reading one weight of a digital layer, for every product.
        dram_energy_per_byte: of reading one weight from outside of the chip.
    """

    reading_time: Annotated[Constant, "ns"]
    adc_energy: Annotated[Constant, "pJ"]
    adc_energy_per_level: Annotated[Constant, "fJ"]
    adc_energy_per_level_squared: Annotated[Constant, "aJ"]
    adc_time: Annotated[Constant, "ns"]
    adc_time_per_bit: Annotated[Constant, "ns"]
    adc_area: Annotated[Constant, "um2"]
    dac_energy_per_bit: Annotated[Constant, "pJ"]
    dac_area_per_level: Annotated[Constant, "um2"]
    driver_supply: Annotated[Constant, "V"]
    cell_area: Annotated[Constant, "um2"]
    sum_energy: Annotated[Constant, "pJ"]
    scale_energy: Annotated[Constant, "pJ"]
    multiply_energy: Annotated[Constant, "pJ"]
    accumulate_energy: Annotated[Constant, "pJ"]
    sram_energy_per_byte: Annotated[Constant, "pJ"]
    dram_energy_per_byte: Annotated[Constant, "pJ"]

    def __post_init__(self) -> None:
        for name, unit in units_of_constants().items():
            given = getattr(self, name)
            if not isinstance(given, Constant) or given.unit != unit:
                raise SettingsError(
                    f"{name} must be a Constant in {unit}, such as Constant(1.0, {unit!r}, '22 nm', 'who measured "
                    f"it, and where'), got {shown(given)}"
                )

    @classmethod
    def built_in(cls) -> Self:
        """Those that come with memrix."""
        return cls(**_read(BUILT_IN, complete=True))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Those of a TOML file; the ones that it does not name are those that come with memrix.

        Raises:
            SettingsError: the file cannot be read, or lists every constant that is unknown, lacks a value, unit, node
                or source, or is in another unit, negative or not finite.
        """
        return replace(cls.built_in(), **_read(file_path(path, SettingsError, "the path of constants of costs")))

    @classmethod
    def from_dict(cls, tables: Mapping[str, Mapping[str, Any]]) -> Self:
        """Those of tables as a file has them; ``Costs.to_dict()["constants"]`` are such tables.

        Raises:
            SettingsError: as ``load`` raises it.
        """
        return replace(cls.built_in(), **_checked(tables, "the constants of costs that were given"))

    @classmethod
    def of(cls, given: CostConstants | str | Path | None) -> CostConstants:
        """Constants themselves, of a file, or those that come with memrix."""
        if isinstance(given, CostConstants):
            return given
        return cls.built_in() if given is None else cls.load(given)

    def conversion_energy(self, levels: int) -> float:
        """Energy in J of one conversion by an ADC of so many levels."""
        linear, square = self.adc_energy_per_level.si, self.adc_energy_per_level_squared.si
        return self.adc_energy.si + linear * levels + square * levels**2

    def conversion_time(self, levels: int) -> float:
        """Time in s of one conversion by an ADC of so many levels."""
        return self.adc_time.si + self.adc_time_per_bit.si * math.log2(levels)

    @property
    def product_energy(self) -> float:
        """Energy in J of one product at 8 bits that is computed digitally: multiply, add, and read the weight."""
        return self.multiply_energy.si + self.accumulate_energy.si + self.sram_energy_per_byte.si


def units_of_constants() -> dict[str, str]:
    """The unit that each constant is given in."""
    return {name: get_args(kind)[1] for name, kind in kinds(CostConstants).items()}


def _read(path: Path, *, complete: bool = False) -> dict[str, Constant]:
    """The constants of a file, checked."""
    what = "constants of costs in"
    tree = load_tree(path, parse_toml, what, SettingsError, f"copy {BUILT_IN.name} of memrix/costing and change it")
    return _checked(tree, f"{what} {str(path)!r}", complete=complete)


def _checked(tree: Mapping[str, Any], what: str, *, complete: bool = False) -> dict[str, Constant]:
    if not isinstance(tree, Mapping):
        raise SettingsError(f"{what} must be tables by name, got {shown(tree)}")
    units = units_of_constants()
    problems = [f"there is no constant {name!r}{closest(name, units)}" for name in tree if name not in units]
    problems += [f"{name} is missing" for name in units if complete and name not in tree]
    found = {}
    for name, unit in units.items():
        if name in tree:
            wrong = _problems(name, unit, tree[name])
            problems += wrong
            if not wrong:
                found[name] = Constant(**{**tree[name], "value": float(tree[name]["value"])})
    if problems:
        raise SettingsError(f"{what} are invalid:{listing(problems)}")
    return found


def _problems(name: str, unit: str, table: object) -> list[str]:
    example = f'value = 1.0, unit = "{unit}", node = "22 nm", source = "who measured it, and where"'
    if not isinstance(table, Mapping):
        return [f"{name} must be a table such as [{name}] with {example}, got {shown(table)}"]
    problems = [f"{name} has no {part}; it needs {example}" for part in _PARTS if part not in table]
    problems += [
        f"{name} has no part {part!r}{closest(part, _PARTS)}; it has {', '.join(_PARTS)}"
        for part in table
        if part not in _PARTS
    ]
    problems += _part_problems(name, unit, table)
    if isinstance(table.get("unit"), str) and table["unit"].strip() and table["unit"] != unit:
        problems.append(f"{name}.unit must be {unit!r}, got {shown(table['unit'])}; convert the value")
    return problems


def _part_problems(name: str, unit: str, table: Mapping[str, Any]) -> list[str]:
    """What is wrong with the parts that are there."""
    problems = [
        f"{name}.{part} must be text, got {shown(table[part])}"
        for part in _PARTS[1:]
        if part in table and not (isinstance(table[part], str) and str(table[part]).strip())
    ]
    value = table.get("value", 0.0)
    if not (is_number(value) and 0 <= value < math.inf):
        problems.append(f"{name}.value must be a finite number from 0 in {unit}, got {shown(value)}")
    return problems
