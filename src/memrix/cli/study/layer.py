"""What commands share that measure the standard layer on one chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from cyclopts import Parameter

from memrix._support.documents import write_whole
from memrix.cli.arguments import check_hardware
from memrix.cli.messages import message
from memrix.cli.outputs import check_distinct, check_output
from memrix.studies.standard_layer import StandardLayer

if TYPE_CHECKING:
    from memrix.hardware import Hardware

Figures = Annotated[Path | None, Parameter(help="JSON file to write the figures and the settings to.")]
Report = Callable[[str], None]


class Study(Protocol):
    """What was measured."""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""

    def to_markdown(self) -> str:
        """A table."""


def measure(
    study: Callable[[Hardware, StandardLayer, Report], Study],
    layer: dict[str, Any],
    hardware: str,
    json: Path | None,
    seconds: float | None = None,
) -> None:
    """Print what a study finds on a chip, and write it to a file.

    Args:
        study: of a chip and a layer, told where to report what is measured; it imports what is heavy.
        layer: settings of the standard layer.
        hardware: a preset or a file.
        json: file to write; None: none.
        seconds: since the chip was programmed; None: as the hardware says.
    """
    check_distinct(json)
    check_output(json)
    check_hardware(hardware)

    from memrix.hardware import Hardware

    settings, chip = StandardLayer(**layer), Hardware.named(hardware)
    if seconds is not None:
        chip = chip.replace(**{"drift.seconds": seconds})
    found = study(chip, settings, lambda name: message(f"measuring {name}"))
    print(found.to_markdown(), end="")
    if json is not None:
        figures = {**found.to_dict(), "layer": asdict(settings), "hardware": chip.to_dict()}
        write_whole(json, f"{dumps(figures, indent=2)}\n".encode())
        message(f"figures: {json}")
