"""A verb that changes a model in place and fails leaves it as it was."""

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CheckpointError, SettingsError

PHYSICAL = memrix.Hardware.preset("physical")
X = torch.randn(16, 4, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A composite layer, one that torch fuses, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 12, batch_first=True), 1)
        self.head = nn.Linear(6, 6)
        self.extra = {"seen": []}

    def forward(self, x):
        x, _ = self.attention(x, x, x)
        return self.head(self.head(self.encoder(x)))


def state(model: nn.Module) -> list[tuple]:
    """All that a module is, with the identity of everything that it holds."""
    return [
        (
            name,
            type(module),
            {key: id(value) for key, value in vars(module).items()},
            {
                key: {
                    k: (id(v), v.device, v.dtype) if isinstance(v, torch.Tensor) else id(v) for k, v in value.items()
                }
                for key, value in vars(module).items()
                if isinstance(value, dict)
            },
            {key: value.copy() for key, value in vars(module).items() if isinstance(value, set)},
        )
        for name, module in model.named_modules()
    ]


class Interrupted:
    """Raises at the given call."""

    def __init__(self, call: int) -> None:
        self.left = call

    def __call__(self, *_) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_an_interrupted_programming_in_place_leaves_the_model_as_it_was():
    model = Net().eval()
    memrix.calibrate(model, [X], PHYSICAL)
    before, output = state(model), model(X)
    handle = model.head.register_forward_hook(lambda *_: None)
    handle.remove()
    with pytest.raises(KeyboardInterrupt):
        memrix.program(model, PHYSICAL, inplace=True, progress=Interrupted(3))
    assert state(model) == before
    assert torch.equal(model(X), output)
    memrix.program(model, PHYSICAL, inplace=True)(X)


def test_device_parameters_that_are_gone_leave_the_model_as_it_was():
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL)
    before = state(model)
    with pytest.raises(SettingsError):
        memrix.program(model, PHYSICAL.replace(**{"device.parameters": "/nowhere.json"}), inplace=True)
    assert state(model) == before


def test_hooks_can_still_be_removed_after_a_failure():
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL)
    seen = []
    handle = model.head.register_forward_hook(lambda *_: seen.append(1))
    with pytest.raises(KeyboardInterrupt):
        memrix.program(model, PHYSICAL, inplace=True, progress=Interrupted(1))
    handle.remove()
    model(X)
    assert not seen


def test_a_chip_of_another_model_loaded_in_place_leaves_the_model_as_it_was(tmp_path):
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 3))
    memrix.calibrate(model, [X], PHYSICAL)
    memrix.save(memrix.program(model, PHYSICAL), tmp_path / "chip")
    other = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 4)).to(torch.float64)
    before, values = state(other), [p.clone() for p in other.parameters()]
    with pytest.raises(CheckpointError, match="another model"):
        memrix.load(tmp_path / "chip", other, inplace=True)
    assert state(other) == before
    assert all(torch.equal(p, value) for p, value in zip(other.parameters(), values, strict=True))


def test_values_that_were_taken_over_before_a_failure_are_given_back(tmp_path, monkeypatch):
    model = nn.Sequential(nn.Linear(6, 6))
    memrix.calibrate(model, [X], PHYSICAL)
    memrix.save(memrix.program(model, PHYSICAL), tmp_path / "chip")
    other = nn.Sequential(nn.Linear(6, 6)).to(torch.float64)
    before, value = state(other), other[0].weight.clone()
    taken = []

    def load_and_fail(module, tensors, **options):
        taken.append(nn.Module.load_state_dict(module, tensors, **options))
        raise KeyboardInterrupt

    other.load_state_dict = load_and_fail.__get__(other)
    with pytest.raises(KeyboardInterrupt):
        memrix.load(tmp_path / "chip", other, inplace=True)
    assert taken
    del other.load_state_dict
    assert state(other) == before
    assert torch.equal(other[0].weight, value)
