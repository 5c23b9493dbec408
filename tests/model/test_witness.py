"""A chip whose call reads no cell says so, and one that reads a few is left in peace."""

import copy
import pickle

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import ConversionError
from memrix.model.witness import Witness

PHYSICAL = memrix.Hardware.preset("physical")
X = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))


class Routed(nn.Module):
    """Runs one of its experts, all, or none."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))

    def forward(self, x, route=(0, 1, 2)):
        for expert in route:
            x = self.experts[expert](x)
        return x


def chip_of(model: nn.Module, hardware: memrix.Hardware = PHYSICAL) -> nn.Module:
    memrix.calibrate(model, [X], hardware)
    return memrix.program(model, hardware)


def watched(chip: nn.Module) -> bool:
    return any(isinstance(hook, Witness) for hook in chip._forward_hooks.values())


def test_a_call_that_reads_no_layer_is_an_error_that_names_them():
    chip = chip_of(Routed())
    for _ in range(2):
        with pytest.raises(ConversionError, match=r"read none of its layers \(experts\.0, experts\.1, experts\.2\)"):
            chip(X, route=())


def test_the_original_behind_what_nothing_can_look_into_is_noticed():
    model = Routed()
    memrix.calibrate(model, [X], PHYSICAL)
    chip = memrix.program(model, PHYSICAL)
    chip.forward = model.forward  # put there after it was programmed
    with pytest.raises(ConversionError, match="still runs the model"):
        chip(X)


@pytest.mark.parametrize("preset", ["ideal", "paper", "physical", "tuned"])
def test_a_call_that_reads_some_layers_is_fine_and_the_watch_ends(preset):
    chip = chip_of(Routed(), memrix.Hardware.preset(preset))
    assert watched(chip)
    chip(X, route=(1,))
    assert not watched(chip)
    chip(X, route=())


def test_a_part_that_is_called_on_its_own_counts():
    chip = chip_of(Routed())
    chip.experts[1](X)
    chip(X, route=())
    assert not watched(chip)


def test_an_empty_batch_is_no_evidence():
    chip = chip_of(Routed())
    chip(X[:0])
    assert watched(chip)
    chip(X)
    assert not watched(chip)


def test_copies_and_loaded_chips_are_watched_each_on_its_own(tmp_path):
    model = Routed()
    chip = chip_of(model)
    memrix.save(chip, tmp_path / "chip")
    for other in (copy.deepcopy(chip), pickle.loads(pickle.dumps(chip)), memrix.load(tmp_path / "chip", model)):
        with pytest.raises(ConversionError, match="read none"):
            other(X, route=())
        other(X)
        assert not watched(other)
    assert watched(chip)


def test_a_layer_alone_has_no_watch():
    assert not chip_of(nn.Linear(6, 2))._forward_hooks
