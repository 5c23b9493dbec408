"""Gradient checkpointing computes a forward pass a second time: it must be the same network."""

import gc
import types

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import memrix

Q = memrix.Quantization
PHYSICAL = memrix.Hardware.preset("physical")
TUNED = memrix.Hardware.preset("tuned")

WAYS = {
    "largest so far": (PHYSICAL, Q()),
    "moving average": (PHYSICAL, Q(observer="moving-average", averaging=0.3)),
    "percentile": (PHYSICAL, Q(observer="percentile", averaging=0.3)),
    "least error": (
        PHYSICAL.replace(weight_range="mean-square-error"),
        Q(observer="mean-square-error", averaging=0.3),
    ),
    "learned steps": (PHYSICAL, Q(learned_steps=True)),
    "outputs too": (PHYSICAL, Q(observer="moving-average", averaging=0.3, output_quantizers=True)),
    "weight noise": (PHYSICAL, Q(weight_noise=0.1)),
    "device resampling": (PHYSICAL, Q(device_resampling=True)),
    "device resampling, own converters": (TUNED, Q(device_resampling=True, observer="moving-average", averaging=0.3)),
}
HOW = {"plain": None, "reentrant": True, "not reentrant": False}


def inputs(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Blocks(nn.Module):
    """Two blocks, each a segment of its own, with dropout and a layer that is called twice."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.blocks = nn.ModuleList()
        for _ in range(2):
            twice = nn.Linear(16, 16)
            self.blocks.append(nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.1), nn.ReLU(), twice, twice))

    def forward(self, x):
        for block in self.blocks:
            x = block(x) if self.reentrant is None else checkpoint(block, x, use_reentrant=self.reentrant)
        return x


def gradients(way: str, how: str, batches: int) -> list[torch.Tensor]:
    hardware, quantization = WAYS[way]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Blocks(HOW[how])
        memrix.calibrate(model, [inputs(32, 16)], hardware)
        memrix.quantize(model, hardware, quantization)
        model.train()
        torch.manual_seed(1)
        given = [inputs(32, 16, seed=seed).mul_(1 + seed).requires_grad_() for seed in range(batches)]
        # All forward passes before the first backward pass: ranges and chips have moved on by then.
        sum(model(x).square().sum() for x in given).backward()
    return [tensor.grad for tensor in (*given, *model.parameters())]


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("how", ["reentrant", "not reentrant"])
@pytest.mark.parametrize("way", WAYS)
def test_gradients_are_the_same_bits_with_checkpointing(way, how, batches):
    expected, found = gradients(way, "plain", batches), gradients(way, how, batches)
    for number, (one, other) in enumerate(zip(expected, found, strict=True)):
        if how == "reentrant" and batches > 1 and number >= batches:
            # Reentrant segments add up what several passes give to a parameter in another order, in torch too.
            torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)
        else:
            assert torch.equal(one, other)


@pytest.mark.parametrize("way", WAYS)
def test_what_ranges_saw_does_not_depend_on_checkpointing(way):
    states = []
    for how in HOW:
        hardware, quantization = WAYS[way]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = Blocks(HOW[how])
            memrix.calibrate(model, [inputs(32, 16)], hardware)
            memrix.quantize(model, hardware, quantization)
            torch.manual_seed(1)
            model.train()(inputs(32, 16, seed=3).mul_(4).requires_grad_()).sum().backward()
        states.append({name: value for name, value in model.state_dict().items() if "range" in name})
    assert states[0]
    for other in states[1:]:
        assert all(torch.equal(value, other[name]) for name, value in states[0].items())


class Recurrent(nn.Module):
    def __init__(self, checkpointed: bool) -> None:
        super().__init__()
        self.checkpointed = checkpointed
        self.lstm = nn.LSTM(8, 6, batch_first=True)

    def run(self, x):
        return self.lstm(x)[0]

    def forward(self, x):
        return checkpoint(self.run, x, use_reentrant=False) if self.checkpointed else self.run(x)


@pytest.mark.parametrize(
    "quantization", [Q(device_resampling=True), Q(weight_noise=0.1), Q(observer="moving-average")]
)
def test_recurrent_layers_run_on_one_chip_a_step_with_checkpointing_too(quantization):
    found = []
    for checkpointed in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = Recurrent(checkpointed)
            memrix.calibrate(model, [inputs(4, 5, 8)], PHYSICAL)
            memrix.quantize(model, PHYSICAL, quantization)
            torch.manual_seed(1)
            x = inputs(4, 5, 8, seed=2).requires_grad_()
            model.train()(x).square().sum().backward()
        found.append([x.grad, *(parameter.grad for parameter in model.parameters())])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("quantization", [Q(weight_noise=0.1), Q(device_resampling=True)])
def test_training_noise_follows_manual_seed_and_reseed(quantization):
    with torch.random.fork_rng():
        model = Blocks(None)
        memrix.calibrate(model, [inputs(32, 16)], PHYSICAL)
        memrix.quantize(model, PHYSICAL, quantization)
        model.train()
        outputs = []
        for restart in (torch.manual_seed, torch.manual_seed, lambda seed: memrix.reseed(model, read=seed)):
            restart(7)
            outputs.append(model(inputs(32, 16)))
        assert torch.equal(outputs[0], outputs[1])
        assert torch.equal(outputs[0], outputs[2])
        assert not torch.equal(outputs[0], model(inputs(32, 16)))


@pytest.mark.parametrize("quantization", [Q(), Q(learned_steps=True)], ids=["ranges", "steps"])
def test_a_training_keeps_no_tensor_of_earlier_steps(quantization):
    model, values = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)), torch.randn(6, 8)
    memrix.calibrate(model, [values], PHYSICAL)
    memrix.quantize(model, PHYSICAL, quantization)
    model.train()

    def tensors():
        for _ in range(5):
            model(values).sum().backward()
        return sum(isinstance(item, torch.Tensor) for item in held_by(model))

    tensors()
    assert tensors() == tensors()


def held_by(start):
    """Objects that an object holds, but for classes, functions and modules of Python."""
    found, left = {}, [start]
    while left:
        item = left.pop()
        if id(item) not in found and not isinstance(item, type | types.FunctionType | types.ModuleType):
            found[id(item)] = item
            left += gc.get_referents(item)
    return found.values()
