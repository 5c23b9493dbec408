"""`memrix study sweep` and `memrix study chips`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memrix.cli.main import EXIT_ERROR, main

NET = """
import torch
from {helpers} import data

def make_model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))

def make_batches():
    return data()

def margin(model, batch):
    best, second = model(batch[0]).topk(2, dim=1).values.unbind(1)
    return best - second

def fails():
    return {{}}["missing"]

size = 3
"""
HELPERS = """
import torch

def data():
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(8, 8, generator=generator), torch.randint(4, (8,), generator=generator))]
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request) -> tuple[str, ...]:
    """Options that name a model and batches, in files of names that no other test has."""
    monkeypatch.chdir(tmp_path)
    number = abs(hash(request.node.name))
    (tmp_path / f"helpers_{number}.py").write_text(HELPERS)
    (tmp_path / f"net_{number}.py").write_text(NET.format(helpers=f"helpers_{number}"))
    return ("--model", f"net_{number}.py:make_model", "--batches", f"net_{number}.py:make_batches")


def test_a_sweep_is_printed_written_and_read_again(net, tmp_path, capsys) -> None:
    call = ["study", "sweep", "physical", *net, "--set", "weight_bits=2,3", "--set", "noise=off", "--chips", "2"]
    assert main([*call, "--json", "a.json", "--chart", "a.png"]) == 0
    printed = capsys.readouterr()
    figures = json.loads((tmp_path / "a.json").read_text())
    assert [row["weight_bits"] for row in figures["trials"]] == [2, 2, 3, 3]
    assert {row["noise"] for row in figures["trials"]} == {"off"}
    assert f"{figures['settings'][1]['mean']:.4g}" in printed.out
    assert "4/4" in printed.err
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert main([*call, "--json", "b.json"]) == 0
    assert "4/4  weight_bits=3, noise=off, chip 1: accuracy" in (told := capsys.readouterr().err)
    assert told.count("from the folder") == 4
    assert json.loads((tmp_path / "b.json").read_text())["trials"] == figures["trials"]
    assert (tmp_path / "results" / "results.csv").is_file()


def test_many_chips_with_a_metric_of_a_file(net, tmp_path, capsys) -> None:
    metric = net[1].replace("make_model", "margin")
    assert main(["study", "chips", *net, "--metric", metric, "--half-width", "1", "--json", "a.json"]) == 0
    assert "95% interval over chips and data" in capsys.readouterr().out
    figures = json.loads((tmp_path / "a.json").read_text())
    assert (figures["metric"], figures["chips"], figures["reached"]) == ("margin", 5, True)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"--model": None}, "--model is missing"),
        ({"--model": "net.txt:make"}, "function in a Python file"),
        ({"--model": "no_such.py:make"}, "'no_such.py', which is not there"),
        ({"make_model": "make_modl"}, "has no function 'make_modl' (did you mean 'make_model'?)"),
        ({"make_model": "size"}, "has 3, and no function, as 'size'"),
        ({"make_model": "fails"}, "fails in line 17"),
        ({"--metric": "acuracy"}, "did you mean 'accuracy'?"),
        ({"--set": "wieght_bits=3"}, "did you mean 'weight_bits'?"),
        ({"--set": "weight_bits"}, "a setting and its values"),
        ({"--set": None}, "--set is missing"),
        ({"--dask": "tcp://127.0.0.1:1"}, "no Dask cluster"),
        ({"--chips": "0"}, "chips must be"),
        ({"--folder": "."}, "holds files of something else"),
    ],
    ids=str,
)
def test_bad_arguments_are_told(net, changes, problem, capsys) -> None:
    options = {"--model": net[1], "--batches": net[3], "--set": "weight_bits=2"}
    for old, new in changes.items():
        if old.startswith("--"):
            options[old] = new
        else:
            options["--model"] = net[1].replace(old, new)
    words = [word for name, value in options.items() if value is not None for word in (name, value)]
    assert main(["study", "sweep", *words]) == EXIT_ERROR
    assert problem in capsys.readouterr().err


def test_a_setting_given_twice_is_told(net, capsys) -> None:
    assert main(["study", "sweep", *net, "--set", "weight_bits=2", "--set", "weight_bits=3"]) == EXIT_ERROR
    assert "given twice" in capsys.readouterr().err
