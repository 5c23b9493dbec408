"""Tables in text files as instruments write them: encodings, delimiters, decimal commas, comments, blank lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from memrix.device.fitting.layout import COLUMNS
from memrix.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ARCHIVE, _OLD_OFFICE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")  # but blanks, and what ends lines and pages
_COMMENT = re.compile(r"[ \t]*(?:#|%|//)")
_COMMENTS = re.compile(r"^[ \t]*(?:#|%|//).*$", re.MULTILINE)
_NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_SAMPLE = 200  # rows that show whether numbers have a point or a comma
_DELIMITERS = ("\t", ";", ",")  # a name may hold those behind the one that separates
_SPACES = r"\s+"
_SHOWN = 80


@dataclass(frozen=True)
class Table:
    """The text of a table, and how to read it.

    Attributes:
        path: of the file.
        text: of the whole file, line for line, with comments blanked.
        header: names of the columns.
        header_line: number of the line of the names, from 1.
        delimiter: what separates columns, as a regular expression if it is more than one character.
        decimal: the decimal separator of its numbers.
    """

    path: Path
    text: str
    header: tuple[str, ...]
    header_line: int
    delimiter: str
    decimal: str

    def frame(self, text_columns: Iterable[int]) -> pd.DataFrame:
        """The rows, with the numbers of their lines as index and those of their columns as names.

        A column of numbers, and of empty cells, has a type of numbers; any other is text as it was written. Blank
        lines are rows of empty cells.

        Args:
            text_columns: numbers of the columns that are text whatever they hold.

        Raises:
            DataError: a row with more values than there are names.
        """
        import pandas as pd

        try:
            frame = pd.read_csv(
                io.StringIO(self.text),
                sep=self.delimiter,
                decimal=self.decimal,
                header=None,
                # Lines stay countable: nothing is skipped but what lies before the first row.
                skiprows=self.header_line,
                names=range(len(self.header)),
                dtype={number: str for number in text_columns},
                keep_default_na=False,
                na_values=[""],
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                on_bad_lines="error",
            )
        except pd.errors.EmptyDataError:
            frame = pd.DataFrame(columns=range(len(self.header)), dtype=str)
        except pd.errors.ParserError as error:
            raise DataError(self._ragged(str(error))) from error
        if not isinstance(frame.index, pd.RangeIndex):
            raise DataError(
                f"{_no_table(self.path)}: the rows hold more values than line {self.header_line} names columns"
            )
        frame.index = pd.RangeIndex(self.header_line + 1, self.header_line + 1 + len(frame))
        return frame.dropna(how="all")

    def _ragged(self, reason: str) -> str:
        found = re.search(r"Expected \d+ fields in line (\d+), saw (\d+)", reason)
        if found is None:
            return f"{_no_table(self.path)}: {reason.strip().removeprefix('Error tokenizing data. C error: ')}"
        return _too_wide(self.path, int(found[1]), int(found[2]), len(self.header), self.delimiter)


def open_table(path: str | Path) -> Table:
    """Read a text file, and find out how it holds a table.

    UTF-8, UTF-16 with a byte-order mark, and Windows' western encoding; columns separated by commas, semicolons, tabs
    or spaces; numbers with a decimal point or comma; any line ends; blank lines, and comments behind ``#``, ``%`` or
    ``//`` at the beginning of a line. The names of the columns are the first line that is neither; where
    that one holds numbers, the last comment before it that has as many columns.

    Raises:
        DataError: the file cannot be read, is no text, has no names of columns, or mixes decimal points and commas.
    """
    path = Path(path)
    text = _decoded(path)
    lines = enumerate(_lines(text), start=1)
    line, first, comments = 0, "", []
    for line, first in lines:
        if _COMMENT.match(first):
            comments.append((line, _COMMENT.sub("", first, count=1)))
        elif first.strip():
            break
    else:
        raise DataError(f"{str(path)!r} is empty but for comments; it should hold the columns {', '.join(COLUMNS)}")
    delimiter = _delimiter(first)
    header = _cells(first, delimiter)
    if any(_NUMBER.fullmatch(cell) for cell in header):
        named = [(number, _cells(comment, delimiter)) for number, comment in comments]
        named = [(number, cells) for number, cells in named if len(cells) == len(header)]
        if not named:
            raise DataError(f"{str(path)!r}, line {line}: numbers, where the names of the columns should be")
        header = named[-1][1]
        line -= 1
    sample = [(number, _cells(row, delimiter)) for number, row in islice(lines, _SAMPLE) if not _is_blank(row)]
    rows = [row for _, row in sample]
    header = _padded(header, rows)
    for number, row in sample:
        if len(row) > len(header):
            raise DataError(_too_wide(path, number, len(row), len(header), delimiter))
    return Table(
        path=path,
        text=_COMMENTS.sub("", text),
        header=tuple(header),
        header_line=line,
        delimiter=delimiter,
        decimal=_decimal(path, rows, delimiter),
    )


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{str(path)!r} cannot be read ({reason}); name a CSV file") from error
    if not content.strip():
        raise DataError(f"{str(path)!r} is empty; it should hold the columns {', '.join(COLUMNS)}")
    if content.startswith((_ARCHIVE, _OLD_OFFICE)):
        raise DataError(f"{_no_table(path)}: it is a spreadsheet or an archive; export the measurements as CSV")
    if content.startswith(_UTF16):
        encodings = ["utf-16"]
    elif b"\0" in content:
        raise DataError(f"{_no_table(path)}: it is binary, or UTF-16 without a byte-order mark; save it as UTF-8")
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _CONTROL.search(text):
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise DataError(f"{_no_table(path)}: it is no text; export the measurements as CSV")


def _no_table(path: Path) -> str:
    return f"{str(path)!r} is not a table of values separated by commas, semicolons, tabs or spaces"


def _too_wide(path: Path, line: int, values: int, names: int, delimiter: str) -> str:
    fix = "; if its numbers have decimal commas, separate the columns by semicolons" if delimiter == "," else ""
    return f"{_no_table(path)}: line {line} holds {values} values, more than the {names} columns that are named{fix}"


def _is_blank(line: str) -> bool:
    return not line.strip() or _COMMENT.match(line) is not None


def _lines(text: str) -> Iterator[str]:
    """Lines, one by one: the names of the columns and a sample of rows are all that is looked at."""
    return (line.rstrip("\n") for line in io.StringIO(text))


def _delimiter(line: str) -> str:
    return next(
        (delimiter for delimiter in _DELIMITERS if delimiter in line), _SPACES if " " in line.strip() else ","
    )


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == _SPACES:
        return line.split()
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:  # a field too long for any table of numbers
        return [cell.strip() for cell in line.split(delimiter)]


def _padded(header: list[str], rows: list[list[str]]) -> list[str]:
    """Names for the empty cells behind a delimiter at the end of every row."""
    trailing = bool(rows) and all(len(row) == len(header) + 1 and not row[-1] for row in rows)
    return [*header, ""] if trailing else header


def _decimal(path: Path, rows: list[list[str]], delimiter: str) -> str:
    cells = [cell for row in rows for cell in row]
    comma = next((cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)), None)
    if comma is None:
        return "."
    point = next((cell for cell in cells if "." in cell and _NUMBER.fullmatch(cell)), None)
    if point is not None:
        raise DataError(
            f"{str(path)!r} has numbers with a decimal comma ({comma}) and with a decimal point ({point}); write all "
            "with one of them, and no separators of thousands"
        )
    return ","
