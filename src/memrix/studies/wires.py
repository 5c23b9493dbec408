"""What wires cost one layer, and what programming for them gives back, over resistances and sizes of tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, get_args

from torch import Tensor, nn

from memrix._support.tables import markdown
from memrix.crossbar import Tile, Wires
from memrix.crossbar.wires import Arrays
from memrix.errors import SettingsError
from memrix.hardware import Hardware
from memrix.model.calibration import calibrate
from memrix.model.conversion import program
from memrix.model.summaries import summary
from memrix.studies.causes import without_errors
from memrix.studies.standard_layer import StandardLayer, error_cell, output_error, output_of

OHMS = (0.1, 0.35, 1.0, 2.5)
SIZES = (128, 64, 32)
_TITLES = (
    "ohm a cell",
    "tile",
    "arrays",
    "nothing done",
    "columns corrected",
    "programmed for the wires",
    "over perfect wires",
    "scale",
    "pulses per cell",
    "failed",
)


@dataclass(frozen=True)
class WiredError:
    """Errors of the outputs behind wires, as shares of their root mean square; means over the chips.

    Attributes:
        ohms: from cell to cell, in ohm; 0: perfect wires.
        size: rows and columns of a tile.
        arrays: ``separate`` or ``interleaved``.
        error: with nothing done.
        corrected: after a digital gain and offset for each column, fitted to the chip.
        compensated: programmed for the wires, and columns not corrected; None where the protocol cannot do that.
        ratio: of ``compensated`` to the error of the same chip with perfect wires and nothing done.
        scales: least and largest scale of the outputs.
        pulses: per cell, programmed for the wires if possible.
        failed: share of the cells that failed verification, likewise.
        problem: why the chip cannot be programmed for the wires.
    """

    ohms: float
    size: int
    arrays: str
    error: float
    corrected: float
    compensated: float | None
    ratio: float | None
    scales: tuple[float, float]
    pulses: float
    failed: float
    problem: str = ""


@dataclass(frozen=True)
class WiresStudy:
    """Rows of a table of wires."""

    rows: tuple[WiredError, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return asdict(self)

    def to_markdown(self) -> str:
        """A table for a document."""
        return markdown(_TITLES, [_cells(row) for row in self.rows])


def study_wires(
    hardware: Hardware,
    layer: StandardLayer | None = None,
    *,
    ohms: tuple[float, ...] = OHMS,
    sizes: tuple[int, ...] = SIZES,
    progress: Callable[[str], None] | None = None,
) -> WiresStudy:
    """The error of one layer against the quantized layer, behind wires of several resistances.

    Args:
        hardware: all but tile, wires, and correction of columns. Cells are programmed for the wires where its
            protocol can do that.
        layer: the standard one by default.
        ohms: along word lines and bit lines, from cell to cell, in ohm.
        sizes: rows and columns of a tile.
        progress: called with a description of each row before it is measured.

    Raises:
        SettingsError: the hardware cannot be used for such a layer.
    """
    layer = layer or StandardLayer()
    model, vectors = layer.made()
    calibrate(model, [vectors], hardware.replace(column_calibration=True))
    exact = output_of(program(model, without_errors(hardware)), vectors)
    measured = _Measured(model, vectors, exact, layer)
    rows: list[WiredError] = []
    for chip, perfect in _chips(hardware, ohms, sizes):
        if progress is not None:
            progress(f"{chip.wires.ohms_per_cell:g} ohm, {chip.tile.rows} rows, {chip.wires.arrays}")
        rows.append(measured.row(chip, rows[perfect].error if perfect is not None else None))
    return WiresStudy(tuple(rows))


def _chips(
    hardware: Hardware, ohms: tuple[float, ...], sizes: tuple[int, ...]
) -> Iterator[tuple[Hardware, int | None]]:
    """Every chip, and the number of the row of perfect wires that it is compared with; None: it is that one."""
    number = 0
    for size in sizes:
        small = hardware.replace(tile=Tile(size, size), column_calibration=False)
        if hasattr(small.programming, "compensate_wires"):
            small = small.replace(**{"programming.compensate_wires": False})
        perfect = number
        yield small.replace(wires=Wires()), None
        number += 1
        for each in ohms:
            for arrays in get_args(Arrays):
                yield small.replace(wires=Wires(ohms_per_cell=each, arrays=arrays)), perfect
                number += 1


@dataclass(frozen=True)
class _Measured:
    model: nn.Module
    vectors: Tensor
    exact: Tensor
    layer: StandardLayer

    def row(self, chip: Hardware, perfect: float | None) -> WiredError:
        """The errors of a chip; ``perfect``: that of the same chip with perfect wires, if this is another."""
        wires, size = chip.wires, chip.tile.rows
        error, scales, pulses, failed = self._mean(chip)
        corrected, *_ = self._mean(chip.replace(column_calibration=True))
        compensated, problem = None, ""
        if perfect is not None and hasattr(chip.programming, "compensate_wires"):
            try:
                compensated, scales, pulses, failed = self._mean(
                    chip.replace(**{"programming.compensate_wires": True})
                )
            except SettingsError as refused:
                problem = str(refused)
        ratio = compensated / perfect if compensated is not None and perfect else None
        return WiredError(
            wires.ohms_per_cell,
            size,
            wires.arrays,
            error,
            corrected,
            compensated,
            ratio,
            scales,
            pulses,
            failed,
            problem,
        )

    def _mean(self, hardware: Hardware) -> tuple[float, tuple[float, float], float, float]:
        """Error, scales, pulses per cell and share of cells that failed."""
        chips = [program(self.model, hardware, seed=self.layer.seed + number) for number in range(self.layer.chips)]
        error = sum(output_error(output_of(chip, self.vectors), self.exact) for chip in chips) / len(chips)
        layers = [summary(chip).layers[0] for chip in chips]
        cells = sum(layer.cells for layer in layers)
        pulses, failed = (sum(getattr(layer, name) for layer in layers) / cells for name in ("pulses", "failed"))
        return error, layers[0].wire_scales, pulses, failed


def _cells(row: WiredError) -> tuple[str, ...]:
    least, largest = row.scales
    return (
        f"{row.ohms:g}",
        f"{row.size} x {row.size}",
        row.arrays if row.ohms else "either",
        error_cell(row.error),
        error_cell(row.corrected),
        error_cell(row.compensated) if not row.problem else "no scale",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        "" if row.ratio is None else f"{least:.2f} to {largest:.2f}",
        f"{row.pulses:.1f}",
        f"{100 * row.failed:.3f} %",
    )
