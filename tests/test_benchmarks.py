"""Benchmarks take minutes: they refuse arguments before they measure anything."""

import ast
from pathlib import Path

import pytest
from benchmarks.arguments import require_no_arguments

FILES = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


def commands(path):
    """The statements under ``if __name__ == "__main__"``."""
    found = [
        node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.If)
        if ast.unparse(node.test) == "__name__ == '__main__'"
    ]  # fmt: skip
    return found[0].body if found else []


RUN = [path for path in FILES if commands(path)]


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.name)
def test_a_benchmark_looks_at_its_arguments_first(path):
    assert ast.unparse(commands(path)[0]) == "require_no_arguments(__doc__)"
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_the_benchmarks_that_can_be_run_are_found():
    assert {"__main__.py", "wire_formulas.py"} <= {path.name for path in RUN}


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["--quick"], 2), (["linear"], 2)])
def test_help_is_shown_and_arguments_are_refused(arguments, code, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmark", *arguments])
    with pytest.raises(SystemExit) as left:
        require_no_arguments("What it measures.")
    assert left.value.code == code
    shown = capsys.readouterr()
    assert "What it measures." in shown.out if code == 0 else "unrecognized arguments" in shown.err


def test_no_arguments_let_a_benchmark_run(monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark"])
    require_no_arguments("What it measures.")
