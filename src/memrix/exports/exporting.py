"""The cells of a chip written to a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from torch import nn

from memrix._support.documents import file_path, whole_file
from memrix._support.wording import explained
from memrix.errors import DataError
from memrix.exports.cells import LayerCells
from memrix.exports.choosing import chosen_layers
from memrix.exports.tables import Chunk, writer_of
from memrix.model.conversion import counting
from memrix.nn.crossbar_layer import CrossbarLayer

_TOGETHER = 1 << 18  # cells of a chunk, which takes tens of MB


def export(
    chip: nn.Module,
    path: str | Path,
    *,
    layers: str | Sequence[str] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> int:
    """Write the cells of a chip to a table, a row for each: where it lies, its target, and its conductance.

    The columns are ``layer`` (the name); ``tile`` (number in the layer); ``bit_slice`` (0: the lowest); ``row`` and
    ``column`` in the tile (row 0 lies next to the sense amplifiers, column 0 next to the drivers); ``polarity`` (1 or
    -1); ``group``, ``input`` and ``output`` of the weight in the matrices of the layer; ``weight`` (the integer, of
    all bit slices together); ``target`` (the level that programming aimed for, from 0: OFF to 1: ON); ``state``; and
    ``conductance``. Cells are in the order of bit slices, polarities, groups, inputs, outputs. Places of a tile that
    hold no weight have no row.

    memrix holds a cell as its state ``r``, of which its current at any voltage follows. The conductance, in S, is
    that current at the read voltage of the device over this voltage, at the temperature of the chip, without read
    noise and wires. It is that of the present: after relaxation, drift, and readings that have switched cells.

    Chunks of 262,144 cells are written one after the other. Beside the chip, memory holds the integers of one layer
    at a time; of a chip with wires, or without noise, also the states of one layer. Those are programmed again where
    the chip holds only what readings see of its cells.

    Args:
        chip: as ``memrix.program``, ``memrix.load`` or ``memrix.age`` gave it; it is unchanged, except that readings
            so far have switched the cells that they do.
        path: of the file, which is complete or absent. Its ending tells the kind: ``.parquet`` (needs pyarrow),
            ``.csv``, or ``.npz``, which has an array for each column, and ``layer`` as the position of the name in
            the array ``layers``.
        layers: name patterns (``fnmatch``), such as ``"encoder.*"``; all by default.
        progress: called with the cells written so far, the total, and the name of the layer.

    Returns:
        The number of cells.

    Raises:
        ConversionError: no layer of the model runs on a chip; or its cells cannot be told from what it holds.
        SettingsError: a pattern means no layer on the chip, or the file has another ending.
        WriteError: a weight has changed since it was written.
        DataError: the file cannot be written.
        MemrixError: pyarrow is not installed.
    """
    chosen = chosen_layers(chip, layers)
    write = writer_of(path)
    total = sum(layer.memrix.programmed.crossbar.layout.cells for layer in chosen.values())
    place = file_path(path, DataError, "the path of a table")
    with explained(DataError, f"{str(path)!r} cannot be written", "name another place"), whole_file(place) as file:
        write(file, list(chosen), _chunks(chosen, counting(progress, total)))
    return total


def _chunks(chosen: Mapping[str, CrossbarLayer], count: Callable[[str], Callable[[int], None]]) -> Iterator[Chunk]:
    for number, (name, layer) in enumerate(chosen.items()):
        cells, counted = LayerCells(layer), count(name)
        for first in range(0, cells.layout.cells, _TOGETHER):
            last = min(first + _TOGETHER, cells.layout.cells)
            yield number, cells.columns(first, last)
            counted(last - first)
