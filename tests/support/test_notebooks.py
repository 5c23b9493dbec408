import sys

import pytest

from memrix._support.notebooks import data_frame, html_list, html_table, html_text
from memrix.errors import MemrixError


def test_whatever_a_cell_holds_is_text():
    nasty = "<script>alert('&')</script>"
    for shown in (html_table([(nasty,), (nasty,)]), html_list([nasty]), html_text(nasty)):
        assert "<script" not in shown
        assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in shown


def test_the_first_row_is_the_head():
    assert html_table([("a", "b"), ("1", "2")]).splitlines() == [
        "<table>",
        "<thead><tr><th>a</th><th>b</th></tr></thead>",
        "<tbody>",
        "<tr><td>1</td><td>2</td></tr>",
        "</tbody>",
        "</table>",
    ]


def test_integers_stay_integers_where_some_are_missing():
    frame = data_frame([{"name": "a", "cells": 1 << 60}, {"name": "b", "share": 0.5}], ("name", "share"))
    assert list(frame.columns) == ["name", "share", "cells"]
    assert frame.cells[0] == 1 << 60
    assert frame.cells.isna().tolist() == [False, True]
    assert frame.share.isna().tolist() == [True, False]


def test_no_record_gives_an_empty_frame_with_its_columns():
    frame = data_frame([], ("name",))
    assert list(frame.columns) == ["name"]
    assert len(frame) == 0


def test_without_pandas_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MemrixError, match=r"pip install pandas, or use to_dict\(\)"):
        data_frame([{"name": "a"}])
