"""Chip files that were changed, their checksum made anew: an error of memrix, or the chip that the file describes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import memrix
from memrix.archive import _digest, read_archive
from tests.mutations import json_text

X = torch.linspace(-1, 1, 12).view(4, 3)


def model() -> nn.Module:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.cos(torch.arange(parameter.numel())).view(parameter.shape))
    return network.eval()


def chip() -> nn.Module:
    """A tuned layer on the chip, and one that is left quantized."""
    digital = model()
    hardware = memrix.Hardware.preset("tuned").replace(programming="write-verify")
    memrix.calibrate(digital, [X] * 4, hardware)
    memrix.quantize(digital, hardware, memrix.Quantization(output_quantizers=True), layers="2")
    digital.train()(X)
    return memrix.program(digital.eval(), hardware, layers="0", seed=memrix.Seeds(1, 2, 3))


class Forger:
    """Writes changed copies of one chip file, and tries to load them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "chip.safetensors"
        memrix.save(chip(), self.path)
        self.tensors, self.description = read_archive(self.path)

    def outcome(self, tensors: dict[str, torch.Tensor], description: object) -> str:
        """``refused``, or ``as described`` if the chip that is loaded is saved as the file that it came from."""
        self.write(tensors, description)
        try:
            loaded = memrix.load(self.path, model())
        except CheckpointError as error:
            return "refused" if str(self.path) in str(error) else f"refused without the name of the file: {error}"
        assert bool(loaded(X).isfinite().all())
        memrix.save(loaded, self.path)
        saved_tensors, saved = read_archive(self.path)
        for name, values in tensors.items():
            torch.testing.assert_close(saved_tensors[name], values, rtol=0, atol=0, equal_nan=True)
        assert saved in (json.loads(json_text(description)), self.description)
        return "as described"

    def write(self, tensors: dict[str, torch.Tensor], description: object) -> None:
        text = json_text({"tied": {}, "content": description})
        metadata = {"format": "pt", "memrix_format": "1", "memrix": text, "memrix_sha256": _digest(text, tensors)}
        save_file(tensors, self.path, metadata)


@pytest.fixture(scope="module")
def forger(tmp_path_factory) -> Forger:
    return Forger(tmp_path_factory.mktemp("forged"))
