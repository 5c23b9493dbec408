"""What a user keeps on a layer is the user's: memrix keeps what it knows at one attribute of its own."""

import copy

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import ConversionError
from memrix.nn.state import LayerState

PHYSICAL = memrix.Hardware.preset("physical")
TUNED = memrix.Hardware.preset("tuned")
X = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))

NAMES = [
    *("name", "hardware", "quantization", "input_range", "output_range", "epoch", "input_sample", "observing"),
    *("crossbar", "seeds", "weight_step", "column_gain", "record", "scales", "prefix", "observed", "learned_for"),
    *("rows", "vectors", "assemble", "digital", "matrices", "forward_options", "geometry", "array", "calls", "cache"),
    *("calibrated", "activation_step", "quantized_weight", "finish", "program", "install", "restart_noise", "series"),
    *("noise_stream", "training_forward", "learned_input_range", "learned_weight_step", "bind", "adopt"),
]


class Own(nn.Linear):
    """A linear layer with attributes of its own; it computes what its parent does."""

    def __init__(self, **own):
        super().__init__(8, 8)
        for name, value in own.items():
            setattr(self, name, value)


def own_names() -> dict[str, str]:
    return {name: f"the user's {name}" for name in NAMES if name != "adopt"}


@pytest.mark.parametrize("hardware", [PHYSICAL, TUNED], ids=["physical", "tuned"])
def test_attributes_of_a_layer_survive_every_verb(hardware, tmp_path):
    own = own_names()
    model, plain = nn.Sequential(Own(**own)), nn.Sequential(nn.Linear(8, 8))
    plain[0].load_state_dict(model[0].state_dict())
    outputs = []
    for network in (model, plain):
        memrix.calibrate(network, [X], hardware)
        chip = memrix.program(network, hardware)
        memrix.save(chip, tmp_path / "chip.safetensors")
        loaded = memrix.load(tmp_path / "chip.safetensors", network)
        memrix.reseed(chip, read=0)
        memrix.reseed(loaded, read=0)
        memrix.summary(copy.deepcopy(chip), [X])
        fake_quantized = copy.deepcopy(network)
        memrix.quantize(fake_quantized, hardware, memrix.Quantization(output_quantizers=True, learned_steps=True))
        fake_quantized.train()(X)
        fresh = copy.deepcopy(network)
        memrix.quantize(fresh, hardware, memrix.Quantization(device_resampling=True))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trained = fresh.train()(X)
        for made in (network, chip, loaded, fake_quantized, fresh):
            if network is model:
                assert {name: getattr(made[0], name) for name in own} == own
        outputs.append((chip(X), loaded(X), fake_quantized.eval()(X), trained))
    for one, other in zip(*outputs, strict=True):
        assert torch.equal(one, other)


class WithMethods(nn.Linear):
    """A linear layer whose own methods have names that memrix might use."""

    def rows(self):
        return "rows"

    def finish(self):
        return "finish"

    def quantized_weight(self):
        return "quantized"

    def program(self):
        return "program"


def test_methods_of_a_layer_survive():
    model = nn.Sequential(WithMethods(8, 8))
    memrix.calibrate(model, [X], PHYSICAL)
    chip = memrix.program(model, PHYSICAL)
    memrix.quantize(model, PHYSICAL)
    for made in (model, chip):
        made(X)
        layer = made[0]
        assert (layer.rows(), layer.finish(), layer.program()) == ("rows", "finish", "program")
        assert layer.quantized_weight() == "quantized"


class WithTensors(nn.Linear):
    """A linear layer with a buffer and a parameter of its own, by names that memrix uses inside its state."""

    def __init__(self):
        super().__init__(8, 8)
        self.register_buffer("input_range", torch.tensor([1.0, 2.0]))
        self.epoch = nn.Parameter(torch.tensor([3.0]))


def test_tensors_of_a_layer_survive_and_are_saved(tmp_path):
    model = nn.Sequential(WithTensors())
    memrix.calibrate(model, [X], PHYSICAL)
    chip = memrix.program(model, PHYSICAL)
    memrix.save(chip, tmp_path / "chip.safetensors")
    loaded = memrix.load(tmp_path / "chip.safetensors", nn.Sequential(WithTensors()))
    for made in (chip, loaded):
        assert made[0].input_range.tolist() == [1.0, 2.0]
        assert made[0].epoch.tolist() == [3.0]
    memrix.quantize(model, PHYSICAL, memrix.Quantization(weight_noise=0.1))
    again = nn.Sequential(WithTensors())
    memrix.quantize(again, PHYSICAL, memrix.Quantization(weight_noise=0.1))
    memrix.set_epoch(model, 2)
    again.load_state_dict(model.state_dict())
    assert (again[0].epoch.tolist(), int(again[0].memrix.epoch)) == ([3.0], 2)


def test_the_one_attribute_of_memrix_is_refused_where_a_layer_has_it():
    model = nn.Sequential(Own(memrix="mine"))
    assert "already has an attribute 'memrix'" in str(memrix.check(model, PHYSICAL, layers="0").problems)
    with pytest.raises(ConversionError, match="already has an attribute 'memrix'"):
        memrix.calibrate(model, [X], PHYSICAL, layers="0")
    assert model[0].memrix == "mine"


def test_all_that_memrix_keeps_lies_at_one_attribute():
    plain = nn.Linear(8, 8)
    model = nn.Sequential(nn.Linear(8, 8))
    memrix.calibrate(model, [X], TUNED)
    chip = memrix.program(model, TUNED)
    memrix.quantize(model, TUNED, memrix.Quantization(learned_steps=True, output_quantizers=True))
    for layer in (model[0], chip[0]):
        assert set(vars(layer)) == set(vars(plain))
        assert set(layer._modules) == {"memrix"}
        assert isinstance(layer.memrix, LayerState)
        assert set(layer._parameters) == {"weight", "bias"}
        assert not layer._buffers


def test_a_state_dict_of_a_float_model_is_that_of_the_torch_model():
    model = nn.Sequential(nn.Linear(8, 8))
    before = set(model.state_dict())
    memrix.calibrate(model, [X], TUNED)
    assert set(model.state_dict()) == before


def test_a_state_dict_from_before_is_understood():
    model = nn.Sequential(nn.Linear(8, 8))
    memrix.calibrate(model, [X], PHYSICAL)
    memrix.quantize(model, PHYSICAL, memrix.Quantization(learned_steps=True, weight_noise=0.1))
    state = {key.replace("memrix.", ""): value for key, value in model.state_dict().items()}
    assert "0.input_range" in state
    other = nn.Sequential(nn.Linear(8, 8))
    memrix.quantize(other, PHYSICAL, memrix.Quantization(learned_steps=True, weight_noise=0.1))
    other.load_state_dict(state)
    assert torch.equal(other.eval()(X), model.eval()(X))
