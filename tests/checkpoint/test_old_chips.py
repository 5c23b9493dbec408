"""Chips of earlier formats keep loading and compute what they did."""

import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import memrix
from memrix._support.archive import read_archive, write_archive
from memrix.checkpoint.files import CHIP
from memrix.errors import CheckpointError, SeedWarning

pytestmark = pytest.mark.filterwarnings("ignore::memrix.errors.SeedWarning")

FILES = Path(__file__).parents[1] / "files"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.recurrent = nn.GRU(5, 3)
        self.last = nn.Linear(3, 2)
        self.free = nn.Linear(2, 2)

    def forward(self, x):
        return self.free(self.last(self.recurrent(self.first(x).relu())[0]))


def test_a_chip_of_format_1_computes_what_it_did():
    """A tuned layer on tiles of four rows, a decomposed GRU of verified cells, and a layer with learned steps."""
    chip = memrix.load(FILES / "chip-format-1.safetensors", Net().eval())
    memrix.reseed(chip, read=5)
    with torch.no_grad():
        outputs = chip(torch.cos(torch.arange(120).float()).view(20, 6))
    expected = torch.tensor([[0.4219, -0.6326], [0.3692, -0.6678]])
    torch.testing.assert_close(outputs[:2], expected, rtol=0, atol=1e-4)


def test_a_chip_of_format_1_is_saved_in_the_present_format(tmp_path):
    chip = memrix.load(FILES / "chip-format-1.safetensors", Net().eval())
    memrix.save(chip, tmp_path / "chip.safetensors")
    again = memrix.load(tmp_path / "chip.safetensors", Net().eval())
    assert memrix.summary(again).to_dict() == memrix.summary(chip).to_dict()


class Masked(nn.Module):
    """What format 2 was written from: 131 of 180 cells are within reach of readings, and the mask is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(6, 3)
        self.register_buffer("mask", torch.zeros(3))

    def forward(self, x):
        return self.last(x) + self.mask


INPUTS = torch.cos(torch.arange(60).float()).view(10, 6)
OLD = {1: (FILES / "chip-format-1.safetensors", Net), 2: (FILES / "chip-format-2.safetensors", Masked)}


def test_a_chip_of_format_2_has_its_cells_and_computes_what_it_did():
    path, model = OLD[2]
    chip = memrix.load(path, model().eval())
    saved = load_file(path)
    for name in ("difference", "total"):
        own = getattr(chip.last.memrix.array.crossbar, name)
        torch.testing.assert_close(
            own.flatten().sort()[0], saved[f"last.memrix.array.crossbar.{name}"].flatten().sort()[0]
        )
    memrix.reseed(chip, read=5)
    with torch.no_grad():
        outputs = chip(INPUTS)
    expected = torch.tensor([[1.1940, 0.7709, -torch.inf], [1.2032, 0.8862, -torch.inf]])
    torch.testing.assert_close(outputs[:2], expected, rtol=0, atol=0.1)


@pytest.mark.parametrize(("path", "model"), OLD.values(), ids=OLD)
def test_an_old_chip_says_once_that_its_seeds_mean_other_numbers_until_it_is_saved_again(path, model, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chip = memrix.load(path, model())
        memrix.save(chip, tmp_path / "again.safetensors")
        memrix.load(tmp_path / "again.safetensors", model())
    (warning,) = [each for each in caught if each.category is SeedWarning]
    assert warning.filename == __file__
    assert f"the chip in {str(path)!r} is of an earlier memrix" in str(warning.message)
    assert "(streams 1, now 2)" in str(warning.message)
    assert "for its read noise" in str(warning.message)
    assert ("cycles of cells that readings switch" in str(warning.message)) == (model is Masked)


def rewritten(path: Path, target: Path, change) -> Path:
    """The chip of a file with its tensors and description changed in place."""
    tensors, description = read_archive(path, CHIP)
    change(tensors, description)
    write_archive(target, tensors, description)
    return target


def test_an_old_chip_that_draws_nothing_says_nothing(tmp_path):
    def quiet(tensors, description):
        for layer in description["layers"].values():
            if layer["record"] is not None:
                layer["hardware"]["noise"] = layer["record"]["hardware"]["noise"] = "off"

    path = rewritten(OLD[1][0], tmp_path / "quiet.safetensors", quiet)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        memrix.load(path, Net())


def test_who_makes_an_error_of_the_warning_keeps_the_model(tmp_path):
    path, model = OLD[2][0], Masked()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error", SeedWarning)
        with pytest.raises(SeedWarning):
            memrix.load(path, model, inplace=True)
    assert type(model.last) is nn.Linear
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("format", [2, 3])
@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        (
            "last.bias",
            lambda bias: bias.double(),
            "tensor 'last.bias' must be 'float32', as the file says, got float64",
        ),
        ("last.bias", lambda bias: bias / 0, "tensor 'last.bias' holds NaN or infinite values, and did not"),
        ("last.bias", None, "tensor 'last.bias' is missing"),
    ],
    ids=["type", "infinite", "missing"],
)
def test_tensors_of_every_format_that_says_of_them_are_checked(format, name, change, problem, tmp_path):
    def changed(tensors, description):
        description["format"] = format
        value = tensors.pop(name)
        if change is not None:
            tensors[name] = change(value)

    path = rewritten(OLD[2][0], tmp_path / "changed.safetensors", changed)
    with pytest.raises(CheckpointError, match="cannot be a chip") as caught:
        memrix.load(path, Masked())
    assert problem in str(caught.value)


def test_a_state_dict_of_before_says_that_its_seeds_mean_other_numbers():
    chip = memrix.load(OLD[2][0], Masked())
    state, key = chip.state_dict(), "last.memrix.array._extra_state"
    text = bytes(state[key].tolist()).decode()

    def with_streams(end: str) -> dict[str, torch.Tensor]:
        changed = text.replace(', "streams": 2}', end)
        assert changed != text
        return {**state, key: torch.tensor(list(changed.encode()), dtype=torch.uint8)}

    with pytest.warns(SeedWarning, match=r"^this state_dict is of an earlier memrix.*streams 1, now 2"):
        chip.load_state_dict(with_streams("}"))
    with pytest.raises(CheckpointError, match="random streams 3, and those up to 2 are known; upgrade memrix"):
        chip.load_state_dict(with_streams(', "streams": 3}'))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chip.load_state_dict(state)
