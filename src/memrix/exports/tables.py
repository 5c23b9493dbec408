"""Columns of cells written to a file, chunk after chunk: no file needs its table in memory."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from memrix._support.documents import file_path
from memrix._support.libraries import library
from memrix._support.records import closest
from memrix.errors import DataError, SettingsError
from memrix.exports.cells import COLUMNS, Column

Chunk = tuple[int, Mapping[str, Column]]
"""The number of a layer, and the columns of some of its cells."""

Write = Callable[[BinaryIO, Sequence[str], Iterable[Chunk]], None]
"""Writes chunks to a file; the names are those of all layers."""


def writer_of(path: str | Path) -> Write:
    """What writes a table to a file of this ending.

    Raises:
        DataError: the path is none.
        SettingsError: no table has this ending.
        MemrixError: a library that writes it is not installed.
    """
    ending = file_path(path, DataError, "the path of a table").suffix.lower()
    if ending not in _WRITERS:
        raise SettingsError(
            f"a table of cells is a file that ends in {', '.join(_WRITERS)}, got {str(path)!r}"
            f"{closest(ending, _WRITERS)}"
        )
    if ending == ".parquet":
        _parquet()
    return _WRITERS[ending]


def _write_csv(file: BinaryIO, layers: Sequence[str], chunks: Iterable[Chunk]) -> None:
    # A format for a row takes less than half the time of csv.writer; nine digits tell any float32 from others.
    formats = ("%.9g" if issubclass(kind, np.floating) else "%d" for kind in COLUMNS.values())
    numbers = ",".join(formats)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    text.write(",".join(("layer", *COLUMNS)) + "\n")
    for layer, columns in chunks:
        row = f"{_quoted(layers[layer]).replace('%', '%%')},{numbers}\n"
        text.writelines(map(row.__mod__, zip(*(columns[name].tolist() for name in COLUMNS), strict=True)))
    text.detach()  # flushes, and leaves the file open


def _quoted(name: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([name])
    return text.getvalue()


def _write_npz(file: BinaryIO, layers: Sequence[str], chunks: Iterable[Chunk]) -> None:
    """One array a column, ``layer`` as the number of a name in ``layers``."""
    kinds = {"layer": np.dtype(np.int32)} | {name: np.dtype(kind) for name, kind in COLUMNS.items()}
    with ExitStack() as stack:
        # An archive takes one member after the other, and chunks come with all columns.
        spools: dict[str, IO[bytes]] = {
            name: stack.enter_context(tempfile.TemporaryFile(dir=Path(file.name).parent)) for name in kinds
        }
        count = 0
        for layer, columns in chunks:
            length = len(columns["tile"])
            count += length
            for name, spool in spools.items():
                values = np.full(length, layer, np.int32) if name == "layer" else columns[name]
                spool.write(values.tobytes())
        archive = stack.enter_context(zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1))
        with archive.open("layers.npy", "w") as member:
            np.lib.format.write_array(member, np.array(layers), allow_pickle=False)
        for name, spool in spools.items():
            spool.seek(0)
            header = {"descr": np.lib.format.dtype_to_descr(kinds[name]), "fortran_order": False, "shape": (count,)}
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                shutil.copyfileobj(spool, member)


def _write_parquet(file: BinaryIO, layers: Sequence[str], chunks: Iterable[Chunk]) -> None:
    """Names of layers are a dictionary: a category in pandas."""
    pyarrow, parquet = _parquet()
    fields = [("layer", pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))]
    fields += [(name, pyarrow.from_numpy_dtype(kind)) for name, kind in COLUMNS.items()]
    schema = pyarrow.schema(fields)
    names = pyarrow.array(layers, pyarrow.string())
    with parquet.ParquetWriter(file, schema) as writer:
        for layer, columns in chunks:
            numbers = pyarrow.array(np.full(len(columns["tile"]), layer, np.int32))
            arrays = [pyarrow.DictionaryArray.from_arrays(numbers, names)]
            arrays += [pyarrow.array(columns[name]) for name in COLUMNS]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _parquet() -> Any:  # noqa: ANN401
    remedy = "pip install pyarrow, or name a file that ends in .csv or .npz"
    return tuple(library(name, "Parquet takes", remedy) for name in ("pyarrow", "pyarrow.parquet"))


_WRITERS: dict[str, Write] = {".parquet": _write_parquet, ".csv": _write_csv, ".npz": _write_npz}
