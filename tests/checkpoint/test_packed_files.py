"""Quantized models as files: the same integers, outputs and chips; onto a base that is checked."""

import copy
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import memrix
from memrix._support.archive import digest, read_archive, write_archive
from memrix.checkpoint.files import CHIP
from memrix.errors import CheckpointError, ConversionError, SettingsError
from memrix.nn import QuantizedLayer
from tests.checkpoint.test_checkpoint import HARDWARES, LAYERS, Net, X
from tests.mutations import NASTY, json_text, places, replaced

TUNED = memrix.Hardware.preset("tuned").replace(weight_bits=3)


def quantized(hardware=TUNED, quantization=None, model=None, layers=LAYERS):
    model = (model or Net()).eval()
    memrix.calibrate(model, [X], hardware, layers=layers)
    memrix.quantize(model, hardware, quantization, layers=layers)
    return model


def outputs(model, x=X):
    with torch.no_grad():
        return model(x)


@pytest.mark.parametrize("weight_range", ["abs-max", "mean-square-error"])
@pytest.mark.parametrize("hardware", [HARDWARES[name] for name in ("tuned", "ternary", "mixed")])
def test_a_loaded_model_gives_the_same_outputs_and_chips_bit_for_bit(hardware, weight_range, tmp_path):
    if isinstance(hardware, memrix.Hardware):
        hardware = hardware.replace(weight_range=weight_range)
    model = quantized(hardware)
    memrix.save(model, path := tmp_path / "model.safetensors", packed=True)
    loaded = memrix.load(path, Net(seed=1).eval())
    assert torch.equal(outputs(loaded), outputs(model))
    for name, value in model.state_dict().items():
        if name not in ("conv.weight", "up.weight", "down.weight"):
            assert torch.equal(loaded.state_dict()[name], value)
    for each in (model, loaded):
        memrix.calibrate(each, [X], hardware, layers=LAYERS)
    chips = [memrix.program(each, hardware, seed=5, layers=LAYERS) for each in (model, loaded)]
    assert torch.equal(outputs(chips[0]), outputs(chips[1]))


def test_weights_take_their_bits(tmp_path):
    model = quantized(TUNED, model=nn.Sequential(nn.Linear(6, 400), nn.Linear(400, 40)), layers=None)
    memrix.save(model, path := tmp_path / "model.safetensors", packed=True)
    with safe_open(path, "pt") as file:
        packed = [file.get_tensor(name).numel() for name in file.keys() if name.endswith(".integers")]  # noqa: SIM118
    assert sum(packed) == (6 * 400 + 400 * 40) * 3 // 8


TRAININGS = {
    "learned steps": memrix.Quantization(learned_steps=True),
    "quantized outputs": memrix.Quantization(output_quantizers=True),
    "noise": memrix.Quantization(observer="moving-average", weight_noise=0.05),
    "resampled devices": memrix.Quantization(device_resampling=True),
}


@pytest.mark.parametrize("quantization", TRAININGS.values(), ids=TRAININGS)
def test_ways_of_training_come_back(quantization, tmp_path):
    model = quantized(TUNED, quantization).train()
    model(X).sum().backward()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "learned" in name:
                parameter.mul_(-1.3)  # a sign has no meaning
    memrix.save(model.eval(), path := tmp_path / "model.safetensors", packed=True)
    loaded = memrix.load(path, Net(seed=1).eval())
    assert torch.equal(outputs(loaded), outputs(model))
    assert loaded.up.memrix.quantization == quantization
    loaded.train()(X).sum().backward()
    assert loaded.up.weight.grad is not None


class Composites(nn.Module):
    """Layers whose weights are rows of their parameters."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
            self.lstm = nn.LSTM(6, 5, batch_first=True)

    def forward(self, x):
        x = x.view(-1, 4, 6)
        return self.lstm(self.attention(x, x, x)[0])[0]


@pytest.mark.parametrize("layers", [None, ["*q*", "lstm*"]])
def test_rows_of_a_parameter_come_back(layers, tmp_path):
    model = quantized(TUNED, model=Composites(), layers=layers)
    memrix.save(model, path := tmp_path / "model.safetensors", packed=True)
    assert torch.equal(outputs(memrix.load(path, Composites(seed=1).eval())), outputs(model))
    tensors, _ = read_archive(path, CHIP)
    # Where rows of k and v stay digital, the parameter is kept whole.
    assert ("attention.in_proj_weight" in tensors) == (layers is not None)
    assert "lstm.weight_ih_l0" not in tensors


def test_a_weight_that_a_digital_layer_uses_as_well_is_kept_whole(tmp_path):
    model = quantized(model=Net(), layers=[*LAYERS, "head"])
    memrix.save(model, path := tmp_path / "model.safetensors", packed=True)
    loaded = memrix.load(path, Net(seed=1).eval())
    assert torch.equal(outputs(loaded), outputs(model))
    assert torch.equal(loaded.table.weight, model.table.weight)


def test_a_layer_with_two_names_is_stored_once(tmp_path):
    torch.manual_seed(0)
    layer = nn.Linear(6, 6)
    model = quantized(model=nn.Sequential(layer, nn.ReLU(), layer), layers=None)
    memrix.save(model, path := tmp_path / "model.safetensors", packed=True)
    again = nn.Linear(6, 6)
    loaded = memrix.load(path, nn.Sequential(again, nn.ReLU(), again).eval())
    assert torch.equal(outputs(loaded), outputs(model))
    with safe_open(path, "pt") as file:
        assert sum(name.endswith(".integers") for name in file.keys()) == 1  # noqa: SIM118


def trained(base):
    """A quantized model with one tensor that training has changed."""
    model = quantized(model=copy.deepcopy(base))
    with torch.no_grad():
        model.norm.weight.add_(0.1)
    return model


@pytest.mark.parametrize("kind", ["model", "state_dict", "file", "half"])
def test_tensors_of_a_base_are_not_stored(kind, tmp_path):
    base = Net().half().float() if kind == "half" else Net()
    model = trained(base)
    save_file(
        {name: value.clone() for name, value in base.state_dict().items()}, file := tmp_path / "net.safetensors"
    )
    given = {"model": base, "state_dict": base.state_dict(), "file": file, "half": copy.deepcopy(base).half()}[kind]
    memrix.save(model, path := tmp_path / "packed.safetensors", packed=True, base=given)
    with safe_open(path, "pt") as packed:
        names = set(packed.keys())
    assert "table.weight" not in names
    assert "norm.weight" in names  # as training changed it
    loaded = memrix.load(path, copy.deepcopy(base).eval())
    assert torch.equal(outputs(loaded), outputs(model))


def test_a_base_of_half_precision_gives_the_same_model(tmp_path):
    base = Net().half().float()
    model = trained(base)
    memrix.save(model, path := tmp_path / "packed.safetensors", packed=True, base=base)
    loaded = memrix.load(path, copy.deepcopy(base).half().eval())
    assert loaded.up.weight.dtype is torch.float32
    assert torch.equal(outputs(loaded), outputs(model))


def test_another_base_is_named_with_what_differs(tmp_path):
    memrix.save(trained(Net()), path := tmp_path / "packed.safetensors", packed=True, base=Net(), base_name="net-7")
    other = Net().eval()
    with torch.no_grad():
        other.up.bias[0] += 1e-6
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"1 differ \(up\.bias\).*packed onto the base 'net-7'"):
        memrix.load(path, other)
    with pytest.raises(CheckpointError, match=r"1 differ \(up\.bias\).*packed onto the base 'net-7'"):
        memrix.load(path, other, inplace=True)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())
    assert not any(isinstance(module, QuantizedLayer) for module in other.modules())


def test_a_model_of_other_shapes_lists_its_weights(tmp_path):
    memrix.save(quantized(), path := tmp_path / "packed.safetensors", packed=True)
    with pytest.raises(
        CheckpointError, match=r"'up\.weight' is \[12, 6\] in the file and \[5, 6\](.|\n)*down\.weight"
    ):
        memrix.load(path, Net(width=5))
    with pytest.raises(
        CheckpointError, match=r"another model than the one given:\n  tensor 'conv\.weight' is not in"
    ):
        memrix.load(path, nn.Sequential(nn.Linear(6, 6)))


def test_a_model_can_become_the_quantized_one_in_place(tmp_path):
    memrix.save(model := quantized(), path := tmp_path / "packed.safetensors", packed=True)
    other = Net(seed=1).eval()
    assert memrix.load(path, other, inplace=True) is other
    assert torch.equal(outputs(other), outputs(model))


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_outputs(tmp_path):
    model = trained(Net())
    memrix.save(model, path := tmp_path / "packed.safetensors", packed=True, base=Net())
    torch.save(outputs(model), expected := tmp_path / "expected.pt")
    script = (
        "import sys, torch, memrix\n"
        "from tests.checkpoint.test_packed_files import Net, outputs\n"
        "assert torch.equal(outputs(memrix.load(sys.argv[1], Net().eval())), torch.load(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", script, str(path), str(expected)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])


def test_half_precision_rounds_what_no_integers_hold(tmp_path):
    memrix.save(model := quantized(), path := tmp_path / "packed.safetensors", packed=True, half=True)
    loaded = memrix.load(path, Net(seed=1).eval())
    assert torch.equal(loaded.up.quantized_weight(), model.up.quantized_weight())
    assert torch.equal(loaded.up.bias, model.up.bias.half().float())
    assert loaded.up.bias.dtype is torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_models_in_other_types_keep_them(dtype, tmp_path):
    model = quantized().to(dtype)
    memrix.save(model, path := tmp_path / "packed.safetensors", packed=True)
    loaded = memrix.load(path, Net(seed=1).eval())
    assert loaded.up.weight.dtype is dtype
    assert torch.equal(loaded.up.quantized_weight(), model.up.quantized_weight())


def test_integers_that_would_not_come_back_are_an_error(tmp_path):
    model = quantized(TUNED.replace(weight_bits=6, weight_range="mean-square-error")).to(torch.bfloat16)
    with pytest.raises(ConversionError, match=r"not be quantized to the same 6-bit integers.*model\.float\(\)"):
        memrix.save(model, tmp_path / "packed.safetensors", packed=True)
    assert not list(tmp_path.iterdir())


def test_what_is_not_quantized_or_on_a_chip_is_refused(tmp_path):
    path = tmp_path / "packed.safetensors"
    with pytest.raises(CheckpointError, match=r"no layer of this model is quantized; memrix\.quantize"):
        memrix.save(Net(), path, packed=True)
    model = quantized()
    with pytest.raises(CheckpointError, match="this model runs on a chip, whose cells"):
        memrix.save(memrix.program(model, TUNED, layers=LAYERS), path, packed=True)
    with pytest.raises(CheckpointError, match="saved by its state_dict, or with packed=True"):
        memrix.save(model, path)
    with pytest.raises(SettingsError, match="base is an option of packed=True"):
        memrix.save(memrix.program(model, TUNED, layers=LAYERS), path, base=Net())
    with pytest.raises(SettingsError, match="base must be a model, a state_dict or the path"):
        memrix.save(model, path, packed=True, base=3)
    with pytest.raises(SettingsError, match="base_name is the name of a base, got 'net' and no base"):
        memrix.save(model, path, packed=True, base_name="net")
    with pytest.raises(CheckpointError, match=r"there is no file .*missing"):
        memrix.save(model, path, packed=True, base=tmp_path / "missing")
    path.write_bytes(b"text")
    with pytest.raises(CheckpointError, match=r"the base .*packed\.safetensors' cannot be read"):
        memrix.save(model, tmp_path / "other", packed=True, base=path)


def test_a_file_that_was_cut_off_is_damaged(tmp_path):
    memrix.save(quantized(), path := tmp_path / "packed.safetensors", packed=True)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cut short, damaged"):
        memrix.load(path, Net())


FORGERIES = {
    "no base": (lambda tensors, plain: plain["packed"].pop("base"), "packed must|base is missing|base"),
    "bits of nothing": (lambda tensors, plain: tensors.pop("up.weight.bits"), r"up\.weight: bits is missing"),
    "a digest of floats": (
        lambda tensors, plain: tensors.update({"up.bias.sha256": torch.zeros(32)}),
        r"up\.bias.*sha256 must be uint8 \[32\]",
    ),
    "integers of statistics": (
        lambda tensors, plain: (
            tensors.update({"norm.num_batches_tracked.bits": tensors["up.weight.bits"]})
            or tensors.pop("norm.num_batches_tracked")
        ),
        r"norm\.num_batches_tracked: the model has torch\.int64 there",
    ),
    "other bits than the layer": (
        lambda tensors, plain: plain["layers"]["up"]["hardware"].update(weight_bits=4),
        "packed at 3 bits, and the layer is quantized for 4",
    ),
    "a shape of text": (lambda tensors, plain: plain["packed"]["shapes"].update({"up.weight": "x"}), "shapes"),
    "a step of half precision": (
        lambda tensors, plain: tensors.update({"up.memrix.input_range": torch.ones(()).half()}),
        r"'up\.memrix\.input_range' must be 'float32'",
    ),
    "an own type": (
        lambda tensors, plain: tensors.update({"norm.weight": tensors["norm.weight"].to(torch.float8_e4m3fn)}),
        r"'norm\.weight' must be 'float32'",
    ),
    "a tensor too many": (lambda tensors, plain: tensors.update(x=torch.ones(1)), "'x' is not part of"),
    "not finite": (
        lambda tensors, plain: tensors.update({"norm.weight": torch.full((6,), torch.nan)}),
        r"'norm\.weight' holds NaN",
    ),
}


@pytest.mark.parametrize(("forge", "message"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_file_is_refused(forge, message, tmp_path):
    memrix.save(trained(Net()), path := tmp_path / "packed.safetensors", packed=True, base=Net())
    tensors, plain = read_archive(path, CHIP)
    forge(tensors, plain)
    write_archive(path, tensors, plain, 3)
    with pytest.raises(CheckpointError, match=message):
        memrix.load(path, Net().eval())


def test_every_field_with_another_nasty_value(tmp_path):
    model = trained(Net())
    memrix.save(model, path := tmp_path / "packed.safetensors", packed=True, base=Net())
    tensors, plain = read_archive(path, CHIP)
    refused = []
    fields = [place for place in places(plain) if place][::3]
    for place, value in zip(fields, itertools.cycle(NASTY)):
        text = json_text({"tied": {}, "content": replaced(plain, place, value)})
        metadata = {"memrix_format": "3", "memrix": text, "memrix_sha256": digest(text, tensors)}
        save_file(tensors, path, metadata)
        try:
            loaded = memrix.load(path, Net().eval())
        except CheckpointError as error:
            refused.append(str(error))
        else:
            assert torch.equal(outputs(loaded), outputs(model))
    assert len(refused) > 0.9 * len(fields)
    assert all(str(path) in message for message in refused)
