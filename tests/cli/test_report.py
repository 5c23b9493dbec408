"""`memrix report`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import memrix
from memrix.cli.main import EXIT_ERROR, main
from tests.cli.test_study_layers import NET

pytest.importorskip("plotly")


@pytest.fixture
def net(tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    # The module of a file is known by its name from then on.
    file = tmp_path / f"net_{abs(hash(request.node.name))}.py"
    file.write_text(NET)
    return ["--model", f"{file}:model", "--batches", f"{file}:batches", "--metric", f"{file}:distance"]


def headings(page: Path) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", page.read_text(encoding="utf-8"))


OF_A_CHIP = ["ADC histograms", "States of cells", "Energy and area"]


def test_the_folder_of_a_study_and_a_chip_that_is_programmed(net, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["study", "sweep", *net, "--set", "weight_bits=2,3", "--chips", "2"]) == 0
    options = ["-o", "pages/report.html", "--hardware", "physical", *net, "--digital", "2", "--title", "Mine"]
    assert main(["report", "results", *options]) == 0
    assert "report: pages/report.html" in capsys.readouterr().err
    page = tmp_path / "pages" / "report.html"
    assert headings(page) == ["Metric over settings", *OF_A_CHIP, "Not in this report", "How it was made"]
    text = page.read_text(encoding="utf-8")
    assert "<title>Mine</title>" in text
    assert "memrix study sweep --model" in text  # of the folder that the command wrote
    assert "memrix report results -o pages/report.html" in text


def test_a_saved_chip_alone(net, tmp_path):
    from memrix.cli.study.functions import made

    model, batches = made("--model", net[1]), made("--batches", net[3])
    hardware = memrix.Hardware.preset("realistic")
    memrix.calibrate(model, [input for input, _ in batches], hardware)
    memrix.save(memrix.program(model, hardware), tmp_path / "chip.safetensors")
    page = tmp_path / "report.html"
    chip = ["--chip", str(tmp_path / "chip.safetensors")]
    assert main(["report", "-o", str(page), *chip, *net]) == 0
    assert headings(page)[:4] == [*OF_A_CHIP[:2], "Wires of a tile", "Energy and area"]
    assert main(["report", "-o", str(page), *chip, *net[:2]]) == 0
    assert headings(page)[:3] == ["States of cells", "Wires of a tile", "Not in this report"]


@pytest.mark.slow
def test_a_recognizer_that_comes_with_memrix_goes_by_its_name(tmp_path):
    page = tmp_path / "report.html"
    assert main(["report", "-o", str(page), "--hardware", "physical", "--model", "queen-small"]) == 0
    assert headings(page)[:2] == ["States of cells", "Not in this report"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--hardware", "physical", "--chip", "CHIP"], "are both a chip"),
        (["--chip", "CHIP", "--model", "queen-small", "--seed", "1"], "--seed is of a chip that is programmed"),
        (["--hardware", "physical", "--model", "queen-smal"], "did you mean 'queen-small'"),
        (["--hardware", "physical", "--model", "no.py:model"], "'no.py', which is not there"),
        (["--hardware", "physical", "--model", "MODEL", "--batches", "MODL"], "has no function 'modl'"),
        (["--hardware", "physical", "--model", "MODEL", "--metric", "acuracy"], "did you mean 'accuracy'"),
        (["--hardware", "physical", "--model", "MODEL"], "no activation range"),
        (["--chip", "CHIP", "--model", "MODEL"], "no chip that memrix.save wrote"),
    ],
)
def test_bad_arguments_are_told(arguments, problem, net, tmp_path, capsys):
    (tmp_path / "chip.safetensors").write_text("nothing")
    known = {"CHIP": str(tmp_path / "chip.safetensors"), "MODEL": net[1], "MODL": net[1].replace(":model", ":modl")}
    words = [known.get(word, word) for word in arguments]
    assert main(["report", "-o", str(tmp_path / "report.html"), *words]) == EXIT_ERROR
    assert problem in capsys.readouterr().err
