"""What notebooks show and take: tables in HTML, and data frames of pandas."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from memrix._support.libraries import library


def html_table(rows: Sequence[Sequence[str]]) -> str:
    """A plain table whose first row holds the headings. Everything is escaped."""
    head, *body = rows
    lines = ["<table>", f"<thead>{_row('th', head)}</thead>", "<tbody>", *(_row("td", row) for row in body)]
    return "\n".join([*lines, "</tbody>", "</table>"])


def html_text(text: str) -> str:
    """A paragraph with the line breaks of a text, escaped."""
    return "<p>" + "<br>".join(html.escape(line) for line in text.splitlines()) + "</p>"


def html_list(items: Sequence[str]) -> str:
    """A list of texts, escaped."""
    return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>"


def data_frame(records: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> Any:  # noqa: ANN401 - of pandas
    """A ``pandas.DataFrame`` with a row for each record; what a record lacks is missing there.

    Integers stay integers where some are missing (``Int64``).

    Args:
        records: of plain numbers and texts.
        columns: that come first, and that there are also without a record.

    Raises:
        MemrixError: pandas is not installed.
    """
    pandas = library("pandas", "a data frame takes", "pip install pandas, or use to_dict()")
    names = dict.fromkeys([*columns, *(name for record in records for name in record)])
    table = {name: [record.get(name) for record in records] for name in names}
    return pandas.DataFrame({name: _column(pandas, values) for name, values in table.items()})


def _column(pandas: Any, values: list[Any]) -> Any:  # noqa: ANN401
    kinds = {type(value) for value in values if value is not None}
    return pandas.Series(values, dtype="Int64" if kinds == {int} else None if values else object)


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
