"""A chip whose first call reaches layers of the model that it was made from says so."""

import copy
import gc
import pickle
import threading
import warnings
import weakref

import pytest
import torch
from torch import nn
from torch.nn.modules import module as torch_module

import memrix
from memrix.errors import CoverageWarning

PHYSICAL = memrix.Hardware.preset("physical")
X = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))


class Table(nn.Module):
    """Runs its first layer by a table of its class, which leads to the layer that was entered first."""

    steps: dict = {}  # noqa: RUF012 - what is shared by all is the point

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.fail = False
        Table.steps = {"first": self.first}

    def forward(self, x):
        if self.fail:
            raise RuntimeError("no")
        return self.second(Table.steps["first"](x))


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.lstm = nn.Linear(6, 6), nn.LSTM(6, 4)

    def forward(self, x):
        return self.lstm(self.first(x))[0]


def chip_of(model: nn.Module) -> nn.Module:
    memrix.calibrate(model, [X], PHYSICAL)
    return memrix.program(model, PHYSICAL)


def hooks() -> int:
    return len(torch_module._global_forward_pre_hooks)


def silently(chip: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chip(X)


def test_a_layer_behind_a_table_of_the_class_is_told_once():
    chip = chip_of(Table())
    with pytest.warns(CoverageWarning, match=r"run without cells: first; .*inplace=True"):
        chip(X)
    silently(chip)
    assert hooks() == 0
    assert not chip._forward_pre_hooks


def test_so_is_that_of_a_loaded_chip(tmp_path):
    model = Table()
    memrix.save(chip_of(model), tmp_path / "chip")
    with pytest.warns(CoverageWarning, match="run without cells: first;"):
        memrix.load(tmp_path / "chip", model)(X)


def test_a_composite_layer_of_the_model_that_a_chip_was_loaded_into_is_told(tmp_path):
    memrix.save(chip_of(Plain()), tmp_path / "chip")
    model = Plain()
    chip = memrix.load(tmp_path / "chip", model)
    assert type(model.lstm) is nn.LSTM
    chip.first.register_forward_hook(lambda layer, inputs, output: (model.lstm(output), output)[1])
    with pytest.warns(CoverageWarning, match="run without cells: lstm;"):
        chip(X)


def test_a_chip_in_the_place_of_its_model_is_silent():
    model = Table()
    memrix.calibrate(model, [X], PHYSICAL)
    silently(memrix.program(model, PHYSICAL, inplace=True))
    silently(chip_of(Plain()))


def test_a_call_that_fails_leaves_no_hook():
    chip = chip_of(Table())
    chip.fail = True
    with pytest.raises(RuntimeError, match="no"):
        chip(X)
    assert hooks() == 0
    assert not chip._forward_pre_hooks


def test_the_model_may_be_called_after_the_chip_and_in_another_thread():
    model = Plain()
    chip = chip_of(model)

    def elsewhere(layer, inputs):
        thread = threading.Thread(target=model, args=(X,))
        thread.start()
        thread.join()

    chip.first.register_forward_pre_hook(elsewhere)
    silently(chip)
    model(X)


def test_the_model_is_not_kept_alive_and_copies_work():
    model = Plain()
    chip = chip_of(model)
    gone = weakref.ref(model.first)
    for other in (copy.deepcopy(chip), pickle.loads(pickle.dumps(chip))):
        silently(other)
        assert not other._forward_pre_hooks
    del model
    gc.collect()
    assert gone() is None
    silently(chip)
