"""The command where the libraries of its extras are missing."""

import sys

import pytest

import memrix.cli
from memrix.cli.entry import run


@pytest.fixture
def unloaded(monkeypatch):
    monkeypatch.delitem(sys.modules, "memrix.cli.main", raising=False)
    monkeypatch.delattr(memrix.cli, "main", raising=False)


@pytest.mark.parametrize("library", ["cyclopts", "rich.console"])
def test_a_library_that_is_missing_is_told_with_the_extra_that_brings_it(unloaded, library, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SystemExit) as left:
        run()
    assert left.value.code == 2
    assert f'needs {library}, which memrix alone does not install. For every command: pip install "memrix[asr]"' in (
        capsys.readouterr().err
    )


def test_a_part_of_memrix_that_is_missing_is_no_fault_of_an_installation(unloaded, monkeypatch):
    monkeypatch.setitem(sys.modules, "memrix.cli.demo", None)
    with pytest.raises(ModuleNotFoundError, match=r"memrix\.cli\.demo"):
        run()


def test_where_nothing_is_missing_the_command_runs(monkeypatch):
    from memrix.cli import main

    calls = []
    monkeypatch.setattr(main, "run", lambda: calls.append("run"))
    run()
    assert calls == ["run"]
