"""`memrix study sensitivity`, `attribution` and `allocate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memrix import Hardware
from memrix.cli.main import EXIT_ERROR, main

NET = """
import torch
torch.manual_seed(0)
NET = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)).eval()
INPUTS = torch.randn(48, 12)

def model():
    return NET

def batches():
    with torch.no_grad():
        return [(INPUTS, NET(INPUTS))]

def calibration():
    return [INPUTS]

def distance(model, batch):
    return (model(batch[0]) - batch[1]).abs().mean(1)
"""


@pytest.fixture
def net(tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    # The module of a file is known by its name from then on.
    file = tmp_path / f"net_{abs(hash(request.node.name))}.py"
    file.write_text(NET)
    return ["--model", f"{file}:model", "--batches", f"{file}:batches", "--metric", f"{file}:distance"]


def test_a_ranking_of_layers_is_printed_drawn_and_written(
    net: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, chart = tmp_path / "figures.json", tmp_path / "chart.png"
    options = ["--better", "smaller", "--groups", "0,2", "--json", str(figures), "--chart", str(chart)]
    assert main(["study", "sensitivity", "physical", *net, *options]) == 0
    found = json.loads(figures.read_text())
    assert {row["name"] for row in found["groups"]} == {"0", "2"}
    assert found["metric"] == "distance"
    assert found["hardware_given"]["programming"]["protocol"] == "reset-set"
    assert "only it on the chip" in capsys.readouterr().out
    assert chart.stat().st_size > 10_000


def test_causes_and_remedies_are_printed(net: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    file = net[1].rpartition(":")[0]
    options = ["--better", "smaller", "--remedies", "1", "--digital", "2", "--calibration", f"{file}:calibration"]
    assert main(["study", "attribution", "physical", *net, *options]) == 0
    shown = capsys.readouterr()
    assert "The causes add up to" in shown.out
    assert "Change first" in shown.out
    assert "all but programming" in shown.err
    assert "\n2  " not in shown.out  # that layer is digital


def test_bits_are_written_as_hardware(net: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chip = tmp_path / "chip.toml"
    options = ["--better", "smaller", "--bits", "2,4", "--chips", "1", "--limit", "1200", "--output", str(chip)]
    assert main(["study", "allocate", "physical", *net, *options]) == 0
    hardware = Hardware.load(chip)
    assert sorted(changes["weight_bits"] for changes in hardware.layers.values()) == [2, 4]
    assert "allocated is better by" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["sensitivity"], "--model is missing"),
        (["sensitivity", "--model", "net.py:model", "--batches", "b.py:batches"], "net.py"),
        (["attribution", "NET", "--better", "smaller", "--remedies", "-1"], "remedies must be"),
        (["attribution", "NET"], "--better is missing"),
        (["sensitivity", "NET", "--metric", "acuracy"], "did you mean 'accuracy'"),
        (["sensitivity", "NET", "--metric", "loss", "--better", "larger"], "--better belongs to a function"),
        (["allocate", "NET", "--better", "smaller", "--output", "chip.txt"], "a .toml or .json file"),
        (["allocate", "NET", "--better", "smaller", "--bits", "2,3", "--limit", "3"], "no allocation takes 3 cells"),
        (["sensitivity", "NET", "--better", "smaller", "--groups", "lin*"], "'lin*' matches no layer"),
        (["sensitivity", "NET", "--better", "smaller", "--digital", "3"], "'3' matches no layer"),
    ],
)
def test_bad_arguments_are_told(
    arguments: list[str], problem: str, net: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command, *options = arguments
    given = [option for each in options for option in (net if each == "NET" else [each])]
    if "--metric" in options:
        given = given[:4] + given[6:]
    assert main(["study", command, "physical", *given]) == EXIT_ERROR
    assert problem in capsys.readouterr().err
