"""`memrix study`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memrix.cli.main import EXIT_ERROR, main

SMALL = ("--inputs", "16", "--outputs", "8", "--vectors", "64", "--chips", "1")


def test_causes_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "causes", "physical", *SMALL, "--json", str(tmp_path / "causes.json")]) == 0
    table = capsys.readouterr().out
    figures = json.loads((tmp_path / "causes.json").read_text())
    assert [row["cause"] for row in figures["rows"]][:3] == [
        "weight quantization",
        "activation quantization",
        "programming",
    ]
    assert all(f"| {row['cause']} | {100 * row['error']:.2f} % |" in table for row in figures["rows"])
    assert figures["layer"]["inputs"] == 16
    assert figures["hardware"]["programming"]["protocol"] == "reset-set"


def test_causes_of_a_later_time(tmp_path: Path) -> None:
    for name, options in (("new", ()), ("old", ("--seconds", "1e6"))):
        path = tmp_path / f"{name}.json"
        assert main(["study", "causes", "realistic", *SMALL, *options, "--json", str(path)]) == 0
    new, old = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("new", "old"))
    assert (new["hardware"]["drift"]["seconds"], old["hardware"]["drift"]["seconds"]) == (0, 1e6)
    drifted = {row["cause"]: row["error"] for row in old["rows"]}["drift"]
    assert drifted > 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no-such-chip"], "no-such-chip"),
        (["physical", "--vectors", "3"], "vectors"),
        (["physical", "--chips", "0"], "chips"),
        (["physical", "--seconds", "-1"], "drift.seconds"),
    ],
)
def test_bad_arguments_are_told(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "causes", *arguments]) == EXIT_ERROR
    assert problem in capsys.readouterr().err
