"""The examples run, and show what they promise."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def rows(document: Path) -> list[list[str]]:
    lines = [line for line in document.read_text().splitlines() if re.match(r"\| [0-9]", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_digits_run_from_end_to_end(tmp_path):
    document = tmp_path / "digits.md"
    assert load("digits").main(["--bits", "3", "--steps", "10", "--output", str(document)]) == 0
    assert [row[:2] for row in rows(document)] == [
        ["3", way + columns]
        for way in ("not retrained", "quantization-aware", "device resampling")
        for columns in ("", ", column correction")
    ]


@pytest.mark.slow
def test_layers_of_a_vision_transformer_are_studied_from_end_to_end(tmp_path):
    document = tmp_path / "layers.md"
    load("digits")
    assert load("digits_layers").main(["--steps", "30", "--chips", "2", "--output", str(document)]) == 0
    text = document.read_text()
    assert "| blocks.0.self_attn.v_proj |" in text
    assert "| bits of each layer, as many cells |" in text


@pytest.mark.slow
def test_bits_of_a_language_model_are_allocated(capsys):
    assert load("language_layers").main(["--steps", "20", "--chips", "2"]) == 0
    assert "allocated, other text and chips" in capsys.readouterr().out


@pytest.mark.slow
def test_aging_chips_run_from_end_to_end(tmp_path):
    document = tmp_path / "aging.md"
    load("digits")
    assert load("aging").main(["--steps", "30", "--chips", "1", "--output", str(document)]) == 0
    lines = document.read_text().splitlines()
    assert [line.split("|")[2].strip() for line in lines[-5:]] == [
        "as programmed",
        "1 s",
        "1 hour",
        "1 day",
        "30 days",
    ]


@pytest.mark.slow
def test_a_chip_over_two_processes_is_the_chip_of_one():
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    told = subprocess.run(
        [*command, str(EXAMPLES / "pipeline.py")], capture_output=True, text=True, timeout=300, check=True
    ).stdout
    cells = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) cells", told)]
    *parts, whole = sorted(cells)
    assert len(parts) == 2
    assert sum(parts) == whole
    assert "outputs are the same" in told


@pytest.mark.slow
def test_trained_digits_lose_at_most_a_point_at_three_bits(tmp_path):
    document = tmp_path / "digits.md"
    load("digits").main(["--bits", "3", "--output", str(document)])
    losses = {row[1]: float(row[6]) for row in rows(document)}
    assert losses["quantization-aware"] <= 1.0
    assert losses["device resampling"] <= 1.0


@pytest.mark.slow
def test_the_tuned_chip_is_as_near_to_float_as_the_quantized_network(tmp_path):
    document = tmp_path / "whisper.md"
    arguments = ["--bits", "5", "--utterances", "4", "--calibration", "8", "--output", str(document)]
    assert load("whisper_mitigations").main(arguments) == 0
    ratio = next(line for line in document.read_text().splitlines() if "preset `tuned`" in line).split("|")[3]
    assert float(ratio) < 1.15
