"""The weight of a programmed layer is a record: whoever edits it is told, and can write it to the same cells."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.fusion import fuse_conv_bn_eval

import memrix
from memrix.crossbar.fingerprint import is_written, written_as
from memrix.errors import ConversionError, MemrixError, WriteError

IDEAL = memrix.Hardware.preset("ideal").replace(weight_bits=8)
PHYSICAL = memrix.Hardware.preset("physical")
TUNED = memrix.Hardware.preset("tuned")
X = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 4))


def programmed(hardware: memrix.Hardware = PHYSICAL, model: nn.Module | None = None) -> nn.Module:
    model = network() if model is None else model
    memrix.calibrate(model, [X], hardware)
    return memrix.program(model, hardware).eval()


def scaled_in_place(layer):
    with torch.no_grad():
        layer.weight.mul_(1.5)


def scaled_behind_autograd(layer):
    layer.weight.data *= 1.5


def one_weight(layer):
    layer.weight.data[3, 5] += 1.0


def permuted_in_place(layer):
    layer.weight.data.copy_(layer.weight.data.flip(0))


def new_data(layer):
    layer.weight.data = layer.weight.data.flip(1)


def new_parameter(layer):
    layer.weight = nn.Parameter(layer.weight.detach() * 2)


def loaded(layer):
    layer.load_state_dict(nn.Linear(16, 12).state_dict(), strict=False)


def pruned_to_zero(layer):
    prune.remove(prune.l1_unstructured(layer, "weight", 0.3), "weight")


def trained(layer):
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(X).square().sum().backward()
    optimizer.step()


def columns_swapped(layer):
    layer.weight.data[:, [2, 4]] = layer.weight.data[:, [4, 2]]


def a_little_of_half(layer):
    layer.weight.data = (1.005 * layer.weight.data).bfloat16()


def half_of_another(layer):
    layer.weight.data = (2 * layer.weight.data).half()


EDITS = [
    scaled_in_place,
    scaled_behind_autograd,
    one_weight,
    permuted_in_place,
    new_data,
    new_parameter,
    loaded,
    pruned_to_zero,
    trained,
    columns_swapped,
    a_little_of_half,
    half_of_another,
]


@pytest.mark.parametrize("edit", EDITS)
def test_a_changed_weight_is_an_error_at_the_next_call_that_names_the_fix(edit):
    chip = programmed()
    edit(chip[0])
    with pytest.raises(WriteError, match=r"the weight of layer '0' has changed.*memrix.write\(chip\)"):
        chip(X)
    assert memrix.write(chip) == ("0",)
    chip = chip.float()
    assert bool(chip(X).isfinite().all())


@pytest.mark.parametrize("edit", EDITS[:-2])
def test_what_is_written_is_what_the_cells_hold(edit):
    chip = programmed(IDEAL)
    edit(chip[0])
    memrix.write(chip)
    expected = copy.deepcopy(chip)
    fake_quantized = nn.Linear(16, 12)
    fake_quantized.load_state_dict({name: expected[0].get_parameter(name).detach() for name in ("weight", "bias")})
    memrix.calibrate(fake_quantized, [X], IDEAL)
    fake_quantized.memrix.input_range.copy_(chip[0].memrix.input_range)
    memrix.quantize(fake_quantized, IDEAL)
    torch.testing.assert_close(chip[0](X), fake_quantized.eval()(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("one", "other"), [((2, 4), (2, 6)), ((0, 0), (255, 1)), ((3, 8), (3, 520)), ((7, 1), (263, 1))]
)
def test_two_weights_of_a_large_layer_that_change_places_are_noticed(one, other):
    weight = torch.randn(400, 600, generator=torch.Generator().manual_seed(0))
    written = written_as(weight)
    assert is_written(weight.clone(), written)
    swapped = weight.clone()
    swapped[one], swapped[other] = weight[other], weight[one]
    assert not is_written(swapped, written)
    columns = weight.clone()
    columns[:, [one[1], other[1] + 1]] = columns[:, [other[1] + 1, one[1]]]
    assert not is_written(columns, written)


def test_fused_normalization_is_an_error_until_it_is_written():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval()
        model[1].running_var.uniform_(0.1, 4)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    memrix.calibrate(model, [x], IDEAL)
    chip = memrix.program(model, IDEAL)
    expected = chip(x)
    fused = fuse_conv_bn_eval(chip[0], chip[1])
    with pytest.raises(WriteError):
        fused(x)
    memrix.write(fused)
    torch.testing.assert_close(fused(x), expected, rtol=0, atol=0.03)


def test_parts_of_composite_layers_are_watched_too():
    model = nn.ModuleDict({"lstm": nn.LSTM(16, 8, batch_first=True)})["lstm"]
    x = X.view(4, 16, 16)
    memrix.calibrate(model, [x], PHYSICAL)
    chip = memrix.program(model, PHYSICAL)
    chip(x)
    chip.weight_hh_l0.data += 0.1
    with pytest.raises(WriteError, match="'hh_l0'"):
        chip(x)
    assert memrix.write(chip) == ("hh_l0",)
    chip(x)


def test_biases_and_digital_layers_stay_trainable():
    model = nn.Sequential(nn.Linear(16, 12), nn.LayerNorm(12), nn.Linear(12, 4))
    chip = programmed(model=model)
    own = [p for name, p in chip.named_parameters() if not name.endswith("weight") or name.startswith("1.")]
    optimizer = torch.optim.SGD(own, lr=0.1)
    before = chip(X).detach()
    chip(X).square().sum().backward()
    optimizer.step()
    assert not torch.equal(chip(X), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_chip_that_is_moved_or_cast_is_unchanged(dtype):
    chip = programmed(PHYSICAL.replace(noise="off"))
    expected = chip[0](X)
    moved = copy.deepcopy(chip).to(dtype)
    torch.testing.assert_close(moved[0](X.to(dtype)).float(), expected, rtol=0, atol=0.1)
    again = moved.to(torch.float32)
    again(X)
    assert memrix.write(again) == ()


def test_a_state_dict_of_a_chip_brings_the_cells_that_belong_to_its_weights(tmp_path):
    one, other = programmed(model=network(1)), programmed(model=network(2))
    one.load_state_dict(other.state_dict())
    for chip in (one, other):
        memrix.reseed(chip, read=0)
    assert torch.equal(one(X), other(X))
    memrix.save(one, tmp_path / "chip.safetensors")
    restored = memrix.load(tmp_path / "chip.safetensors", network(3)).eval()
    restored(X)
    restored[0].weight.data += 1
    with pytest.raises(WriteError):
        restored(X)


def test_writing_programs_the_same_devices_in_another_cycle():
    chip = programmed()
    before = memrix.summary(chip)
    cells = chip[0].memrix.array.crossbar.difference.clone()
    chip[0].weight.data.neg_()
    chip[0].weight.data.neg_()
    assert memrix.write(chip) == ()
    chip[0].weight.data *= 1.0001
    assert memrix.write(chip) == ("0",)
    after = memrix.summary(chip)
    assert after.cells == before.cells
    assert after.layers[0].pulses == 2 * before.layers[0].pulses
    assert after.layers[1].pulses == before.layers[1].pulses
    array = chip[0].memrix.array
    assert array.seeds.chip == 0
    assert array.seeds.programming != 0
    assert not torch.equal(array.crossbar.difference, cells)
    # The integers are the same, and so are the devices: what differs is the cycle alone.
    again = memrix.program(network_like(chip), PHYSICAL, seed=array.seeds)
    assert torch.equal(again[0].memrix.array.crossbar.difference, array.crossbar.difference)


def network_like(chip: nn.Module) -> nn.Module:
    model = network()
    with torch.no_grad():
        for mine, its in zip(
            model.parameters(), (chip[0].weight, chip[0].bias, chip[2].weight, chip[2].bias), strict=True
        ):
            mine.copy_(its)
    memrix.calibrate(model, [X], PHYSICAL)
    return model


def test_written_again_a_tuned_chip_needs_inputs_to_be_tuned_with():
    chip = programmed(TUNED)
    chip[0].weight.data *= 1.5
    chip[2].weight.data *= 0.5
    with pytest.raises(WriteError, match=r"'0', '2'|0, 2.*memrix.write\(chip, batches\)"):
        memrix.write(chip)
    with pytest.raises(WriteError, match="has changed"):
        chip(X)
    assert memrix.write(chip, [X]) == ("0", "2")
    model = network()
    with torch.no_grad():
        model[0].weight.mul_(1.5)
        model[2].weight.mul_(0.5)
        exact = model(X)
    assert float(((chip(X) - exact).norm() / exact.norm()).detach()) < 0.25
    assert memrix.summary(chip, [X]).layers[0].sqnr > 12


def test_a_failed_writing_leaves_the_chip_as_it_was():
    chip = programmed(TUNED)
    chip[0].weight.data *= 1.5
    cells = chip[0].memrix.array

    def stop(done, total, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memrix.write(chip, [X], progress=stop)
    assert chip[0].memrix.array is cells
    with pytest.raises(WriteError):
        chip(X)
    chip[0].weight.data[0, 0] = torch.nan
    with pytest.raises(ConversionError, match="hold NaN"):
        memrix.write(chip, [X])


def test_only_a_chip_is_written():
    with pytest.raises(ConversionError, match="runs on a chip"):
        memrix.write(network())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.to(torch.int8), "is of torch.int8"),
        (lambda w: w.to(torch.float8_e4m3fn), "is of torch.float8_e4m3fn"),
        (lambda w: w.to(torch.complex64), "is complex"),
        (lambda w: w.to_sparse(), "is laid out as torch.sparse_coo"),
        (lambda w: w.to("meta"), "is on the meta device"),
        (lambda w: w[:6], r"is \[6, 16\] now, and its cells were laid out for 1 x 16 x 12"),
    ],
)
def test_weights_that_cells_cannot_hold_are_not_written(change, said):
    chip = programmed()
    chip[0].weight = nn.Parameter(change(chip[0].weight.detach()), requires_grad=False)
    with pytest.raises(MemrixError):
        chip(X)
    with pytest.raises(WriteError, match=f"layer '0' cannot be written again: the weight of this .* {said}"):
        memrix.write(chip)


@pytest.mark.parametrize("edit", [scaled_behind_autograd, scaled_in_place])
def test_a_compiled_chip_notices_changed_weights_too(edit):
    chip = programmed(PHYSICAL.replace(noise="off"))
    compiled = torch.compile(chip, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(X), chip(X))
        edit(chip[0])
        with pytest.raises(WriteError, match="has changed"):
            compiled(X)
        memrix.write(chip)
        torch.testing.assert_close(compiled(X), chip(X))
    torch._dynamo.reset()
