"""Chip files that are changed and have their checksum made anew."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import memrix
from memrix._support.archive import digest, read_archive
from memrix.checkpoint.files import CHIP
from memrix.errors import CheckpointError
from tests.mutations import json_text

X = torch.linspace(-1, 1, 12).view(4, 3)
REFUSED, AS_DESCRIBED = "refused", "as described"

fuzz = hypothesis.settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)


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
    memrix.quantize(digital, hardware, memrix.Quantization(output_quantizers=True, learned_steps=True), layers="2")
    digital.train()(X)
    return memrix.program(digital.eval(), hardware, layers="0", seed=memrix.Seeds(1, 2, 3))


class Forger:
    """Writes changed copies of one chip file, and tries to load them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "chip.safetensors"
        memrix.save(chip(), self.path)
        self.bytes = self.path.read_bytes()
        self.tensors, self.description = read_archive(self.path, CHIP)

    def outcome(self, description: Any = None, tensors: dict[str, Tensor] | None = None) -> str:
        """What loading a file of changed content ends in; ``as described``: the chip is saved as the same file."""
        description = self.description if description is None else description
        tensors = self.tensors if tensors is None else tensors
        text = json_text({"tied": {}, "content": description})
        self.write(text, tensors)
        try:
            loaded = memrix.load(self.path, model())
        except CheckpointError as error:
            return REFUSED if str(self.path) in str(error) else f"the file is not named: {error}"
        memrix.save(loaded, self.path)
        if not bool(loaded(X).isfinite().all()):
            return "outputs are not finite"
        saved_tensors, saved = read_archive(self.path, CHIP)
        same = saved_tensors.keys() == tensors.keys() and all(
            torch.equal(saved_tensors[name].nan_to_num(-7), values.nan_to_num(-7)) for name, values in tensors.items()
        )
        return (
            AS_DESCRIBED
            if same and saved in (json.loads(json_text(description)), self.known(description))
            else (f"taken in silence: {description}")
        )

    def known(self, description: Any) -> Any:
        """A description without what means nothing: who wrote it, how, and settings that torch does not know."""
        return {
            **description,
            **{name: self.description[name] for name in ("version", "format", "streams", "modules")},
        }

    def write(self, text: str, tensors: dict[str, Tensor], **metadata: str) -> None:
        header = {"format": "pt", "memrix_format": "1", "memrix": text, "memrix_sha256": digest(text, tensors)}
        save_file(tensors, self.path, {**header, **metadata})


TYPES = (
    torch.float16,
    torch.bfloat16,
    torch.float64,
    torch.int8,
    torch.int64,
    torch.bool,
    torch.complex64,
    torch.float8_e4m3fn,
)


def changed_tensors(tensors: dict[str, Tensor]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every tensor with other values, of another shape or type, as another one, or not at all."""
    for name, values in tensors.items():
        others: dict[str, Tensor | None] = {
            "deleted": None,
            "one row less": values[:-1].contiguous() if values.dim() else values.view(1),
            "an axis more": values.unsqueeze(0),
            **({"flat": values.flatten()} if values.dim() > 1 else {}),
            "empty": values.new_empty(0),
            **{f"{number}": torch.full_like(values, number) for number in (-1, 0)},
            **{str(dtype): values.to(dtype) for dtype in TYPES if dtype != values.dtype},
        }
        if values.is_floating_point():
            for number in (float("nan"), float("inf"), 1e30):
                changed = values.clone()
                changed.view(-1)[-1] = number
                others[f"{number}"] = changed
        for change, other in others.items():
            rest = {key: value for key, value in tensors.items() if key != name}
            yield f"{name}: {change}", rest if other is None else {**rest, name: other}
    neighbors = set(itertools.pairwise(tensors))
    for one, other in itertools.combinations(tensors, 2):
        if tensors[one].shape != tensors[other].shape and (one, other) not in neighbors:
            continue  # refused like any other shape, which is tried above
        yield f"{one} and {other} swapped", {**tensors, one: tensors[other].clone(), other: tensors[one].clone()}
    yield "one more", {**tensors, "unheard.of": torch.zeros(2)}
