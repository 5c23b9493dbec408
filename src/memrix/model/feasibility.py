"""Whether a chip can work: its device, converters and protocol are checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from memrix.crossbar.mapping import Layout
from memrix.crossbar.protocols.pulses import Pulsed, stuck_cells
from memrix.device import CellCurrent, DeviceParameters
from memrix.errors import SettingsError
from memrix.hardware import Hardware
from memrix.model.patterns import HardwareChoice
from memrix.model.selection import Selected

_NOTABLE = 1e-4  # share of cells that pulses do not switch
_LONG = 10_000_000_000  # pulses: minutes of simulation


def hardware_problems(hardware: HardwareChoice) -> list[str]:
    """Device parameters that cannot be read, and converters and protocols that do not fit the device."""
    problems: dict[str, None] = {}
    for chip in _chips(hardware):
        for check in _checks(chip):
            try:
                check()
            except SettingsError as error:
                problems[str(error)] = None
    return list(problems)


def _chips(hardware: HardwareChoice) -> list[Hardware]:
    return [hardware] if isinstance(hardware, Hardware) else [chip for chip in hardware.values() if chip is not None]


def _checks(chip: Hardware) -> Sequence[Callable[[], object]]:
    def protocol() -> None:
        require: Callable[[DeviceParameters], None] | None = getattr(chip.programming, "require_device", None)
        if require is not None:
            require(chip.parameters)

    # Without parameters all checks fail with the same message.
    return (lambda: chip.dac.voltages(CellCurrent(chip.parameters)), protocol)


def programming_notes(planned: Iterable[tuple[Selected, Layout]]) -> list[str]:
    """Notes on cells that pulses do not switch, and on programming that takes long."""
    cells: dict[Hardware, int] = {}
    for layer, layout in planned:
        cells[layer.hardware] = cells.get(layer.hardware, 0) + layout.cells
    notes: dict[str, None] = {}
    for chip, count in cells.items():
        notes |= dict.fromkeys(_left_alone(chip))
        pulses = getattr(chip.programming, "most_pulses", 0)
        if pulses * count >= _LONG:
            note = (
                f"programming by {chip.programming.name!r} takes up to {pulses:,} pulses per cell, "
                f"{pulses * count:,} in total: minutes to hours of simulation; memrix.program(progress=...) reports "
                f"how far it is"
            )
            notes[note] = None
    return list(notes)


def _left_alone(chip: Hardware) -> list[str]:
    protocol = chip.programming
    if not isinstance(protocol, Pulsed):
        return []
    try:
        return stuck_cells(protocol, chip.parameters, _NOTABLE)
    except SettingsError:
        return []  # a problem already
