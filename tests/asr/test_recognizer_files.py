"""Files of recognizers that cannot be read say what writes such a file."""

import pytest
import torch
from safetensors.torch import save_file

import memrix
from memrix.asr.recognizer_files import load_recognizer, recognizer_digest
from memrix.asr.training.state import BestEpochs
from memrix.errors import CheckpointError


@pytest.mark.parametrize("read", [load_recognizer, recognizer_digest])
def test_what_is_no_recognizer_names_the_command_that_writes_one(tmp_path, read):
    path = tmp_path / "model.safetensors"
    with pytest.raises(CheckpointError, match=r"there is no file .*; `memrix train` writes one"):
        read(path)
    path.write_text("text")
    with pytest.raises(CheckpointError, match="damaged or no recognizer that `memrix train` wrote"):
        read(path)
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="holds tensors, but no recognizer that `memrix train` wrote"):
        read(path)


def test_a_chip_in_place_of_a_recognizer_is_told_apart(tmp_path):
    path = tmp_path / "chip.safetensors"
    ideal = memrix.Hardware.preset("ideal")
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    memrix.calibrate(model, [torch.ones(1, 2)], ideal)
    memrix.save(memrix.program(model, ideal), path)
    with pytest.raises(CheckpointError, match="holds no recognizer; expected a file that `memrix train` wrote"):
        load_recognizer(path)


def test_a_missing_epoch_names_the_training(tmp_path):
    best = BestEpochs(tmp_path, 1)
    with pytest.raises(CheckpointError, match=r"epoch-0000\.safetensors'; `memrix train` writes one"):
        best.average([0.5])
