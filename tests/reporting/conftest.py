"""Results of everything that a report shows, of a network that costs milliseconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import memrix
from tests.studies.small_study import HARDWARE, network, pairs

EVALUATED = {
    "chip": None, "wer_interval": [0.32, 0.37], "resampled": "utterances", "over_float": None, "over_quantized": None,
    "label_error_rate": 0.1, "loss": 0.8, "output_error": 0.1, "seconds_per_audio_second": 0.1, "words": 3584,
    "errors": 1250, "utterances": 540,
}  # fmt: skip
NOT_ON_CHIP = {"hardware": None, "chips": 0, "deviation": None, "lowest": None, "highest": None, "clipped": None,
               "cells": None, "costs": None}  # fmt: skip
ON_CHIPS = {"hardware": "tuned", "chips": 5, "deviation": 0.004, "lowest": 0.34, "highest": 0.355, "clipped": 0.01,
            "cells": 11_600_000, "costs": {"energy": 1.56e-4, "latency": 8.7e-5, "area": 8.95e-5}}  # fmt: skip


def evaluation() -> dict[str, Any]:
    """The JSON of an evaluation: float, quantized, and five chips."""
    rows = [
        {**EVALUATED, **NOT_ON_CHIP, "execution": "float", "weight_bits": None, "wer": 0.3471},
        {**EVALUATED, **NOT_ON_CHIP, "execution": "quantized", "weight_bits": 4, "wer": 0.3491},
        {**EVALUATED, **ON_CHIPS, "execution": "chip", "weight_bits": 4, "wer": 0.3465},
    ]
    corpus = {"name": "queen", "utterances": 540, "words": 3584, "skipped": 0}
    versions = {"memrix": memrix.__version__, "torch": torch.__version__}
    return {"rows": rows, "summary": rows, "model": "small", "corpus": corpus, "settings": {}, "versions": versions}


@pytest.fixture(scope="session")
def chip() -> torch.nn.Module:
    """On a chip with wires."""
    model, hardware = network(), HARDWARE.replace(**{"wires.ohms_per_cell": 20.0})
    memrix.calibrate(model, inputs(), hardware)
    return memrix.program(model, hardware)


def inputs() -> list[torch.Tensor]:
    return [input for input, _ in pairs()]


@pytest.fixture(scope="session")
def found(chip: torch.nn.Module) -> dict[str, Any]:
    """What memrix returns, by what a report calls it."""
    study = (network(), HARDWARE, pairs(), "loss")
    return {
        "sweep": memrix.sweep(*study, {"weight_bits": [2, 3], "adc.range_bits": [2, 4]}, chips=2),
        "chips": memrix.monte_carlo(*study, chips=5),
        "sensitivity": memrix.sensitivity(*study, chips=2),
        "attribution": memrix.attribution(*study, chips=1, remedies=1),
        "allocate": memrix.allocate(*study, chips=2, bits=(2, 3)),
        "cost": memrix.costs(chip, inputs()),
    }


@pytest.fixture(scope="session")
def folder(found: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as files, and an evaluation."""
    path = tmp_path_factory.mktemp("results")
    for name, result in found.items():
        about = {"command": f"memrix study {name} physical", "arguments": {"model": "net.py:net"}, "memrix": "0.1.0"}
        content = {**result.to_dict(), **about, "memrix": memrix.__version__}
        (path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (path / "evaluation.json").write_text(json.dumps(evaluation()), encoding="utf-8")
    (path / "other.json").write_text('{"something": "else"}', encoding="utf-8")
    return path
