import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import memrix
from memrix.crossbar.protocols.population import fresh_means
from memrix.device import load_parameters, save_parameters
from memrix.errors import CheckpointError
from memrix.nn import Composite, CrossbarLayer, DecomposedLayer, QuantizedLayer, register_composite
from memrix.nn.registry import submodules_of

PHYSICAL = memrix.Hardware.preset("physical")
TUNED = PHYSICAL.replace(column_calibration=True, **{"adc.per_layer": True, "tile.rows": 4})
X = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self, seed: int = 0, width: int = 12) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.table = nn.Embedding(5, 6)
            self.conv = nn.Conv1d(6, 6, 3, padding=1, groups=2)
            self.up, self.down = nn.Linear(6, width), nn.Linear(width, 6)
            self.norm = nn.BatchNorm1d(6)
            self.head = nn.Linear(6, 5, bias=False)
        self.head.weight = self.table.weight

    def forward(self, x):
        x = x + self.conv(x[..., None])[..., 0]
        return self.head(self.norm(x + self.down(self.up(x).relu())))


LAYERS = ["conv", "up", "down"]


def programmed(hardware=PHYSICAL, model: nn.Module | None = None, seed: int = 3, layers=LAYERS) -> nn.Module:
    model = (model or Net()).eval()
    memrix.calibrate(model, [X], hardware, layers=layers)
    return memrix.program(model, hardware, seed=seed, layers=layers)


def outputs(chip: nn.Module, read: int = 7, x=X) -> torch.Tensor:
    memrix.reseed(chip, read=read)
    with torch.no_grad():
        return chip(x)


def saved(path: Path, chip: nn.Module | None = None, **options) -> Path:
    memrix.save(programmed() if chip is None else chip, path / "chip.safetensors", **options)
    return path / "chip.safetensors"


HARDWARES = {
    "physical": PHYSICAL,
    "paper": memrix.Hardware.preset("paper"),
    "ideal": memrix.Hardware.preset("ideal"),
    "tuned": TUNED,
    "multi-level": PHYSICAL.replace(mapping="multi-level", programming="ideal"),
    "ternary": PHYSICAL.replace(weight_bits=1.5),
    "mixed": {"*": PHYSICAL, "up": TUNED.replace(weight_bits=6)},
}


@pytest.mark.parametrize("hardware", HARDWARES.values(), ids=HARDWARES)
def test_a_loaded_chip_gives_the_same_outputs_bit_for_bit(hardware, tmp_path):
    chip = programmed(hardware)
    loaded = memrix.load(saved(tmp_path, chip), Net(seed=1).eval())
    assert torch.equal(outputs(loaded), outputs(chip))
    for ours, theirs in zip(loaded.state_dict().values(), chip.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def in_a_fresh_process(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])


def test_a_fresh_process_gives_the_same_outputs(tmp_path):
    chip = programmed(TUNED)
    path = saved(tmp_path, chip)
    torch.save(outputs(chip), expected := tmp_path / "expected.pt")
    script = (
        "import sys, torch, memrix\n"
        "from tests.checkpoint.test_checkpoint import Net, outputs\n"
        "chip = memrix.load(sys.argv[1], Net(seed=1).eval())\n"
        "assert torch.equal(outputs(chip), torch.load(sys.argv[2]))\n"
    )
    in_a_fresh_process(script, path, expected)


def test_a_loaded_chip_reads_what_the_chip_read_first_here_and_in_a_fresh_process(tmp_path):
    """Without ``reseed``: two readings from where the read noise of the chip began."""
    chip = programmed(seed=memrix.Seeds(1, 2, 3))
    with torch.no_grad():
        readings = [chip(X) for _ in range(2)]
        assert not torch.equal(*readings)
        loaded = memrix.load(path := saved(tmp_path, chip), Net(seed=1).eval())
        assert all(torch.equal(loaded(X), outputs) for outputs in readings)
    torch.save(readings, expected := tmp_path / "expected.pt")
    script = (
        "import sys, torch, memrix\n"
        "from tests.checkpoint.test_checkpoint import X, Net\n"
        "chip = memrix.load(sys.argv[1], Net(seed=1).eval())\n"
        "for outputs in torch.load(sys.argv[2]):\n"
        "    assert torch.equal(chip(X), outputs)\n"
    )
    in_a_fresh_process(script, path, expected)


@pytest.mark.parametrize("state", ["float", "calibrated", "quantized"])
def test_any_digital_model_will_do_and_stays_as_it_is(state, tmp_path):
    path, model = saved(tmp_path, chip := programmed()), Net(seed=1).eval()
    if state != "float":
        memrix.calibrate(model, [2 * X], TUNED, layers=LAYERS)
    if state == "quantized":
        memrix.quantize(model, PHYSICAL.replace(weight_bits=8), layers=LAYERS)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    kinds = [type(module) for module in model.modules()]
    assert torch.equal(outputs(memrix.load(path, model)), outputs(chip))
    assert [type(module) for module in model.modules()] == kinds
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert before.keys() == model.state_dict().keys()


def test_fake_quantized_layers_that_are_left_in_a_chip_come_back(tmp_path):
    model = Net().eval()
    memrix.calibrate(model, [X], PHYSICAL, layers=LAYERS)
    memrix.quantize(model, PHYSICAL, memrix.Quantization(learned_steps=True, output_quantizers=True), layers=LAYERS)
    model.train()(X)
    chip = memrix.program(model.eval(), PHYSICAL, layers="up")
    loaded = memrix.load(saved(tmp_path, chip), Net(seed=1).eval())
    assert torch.equal(outputs(loaded), outputs(chip))
    assert loaded.state_dict().keys() == chip.state_dict().keys()
    assert type(loaded.down) is type(chip.down)
    assert loaded.down.memrix.quantization == chip.down.memrix.quantization


class Routed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))

    def forward(self, x):
        return self.experts[0](x)


@pytest.mark.filterwarnings("ignore::memrix.errors.CoverageWarning")
def test_why_a_layer_stays_digital_is_kept(tmp_path):
    model = Routed()
    memrix.calibrate(model, [X], PHYSICAL, unreached="digital")
    chip = memrix.program(model, PHYSICAL)
    loaded = memrix.load(saved(tmp_path, chip), Routed())
    (digital,) = memrix.summary(loaded).digital
    assert (digital.name, digital.reason) == ("experts.1", "no batch of its calibration reached it")
    # It is that of the chip, not that of the model.
    other = Routed()
    memrix.calibrate(other, [X], PHYSICAL, unreached="digital")
    (digital,) = memrix.summary(memrix.load(saved(tmp_path, whole_chip()), other)).digital
    assert (digital.name, digital.reason) == ("experts.1", "not selected")


def whole_chip() -> nn.Module:
    model = Routed()
    memrix.calibrate(model, [X], PHYSICAL, layers="experts.0")
    return memrix.program(model, PHYSICAL, layers="experts.0")


def test_nothing_is_programmed_again(tmp_path):
    path = saved(tmp_path)
    fresh_means.cache_clear()
    loaded = memrix.load(path, Net())
    assert fresh_means.cache_info().misses == 0
    assert loaded.up.memrix.array.crossbar.nominal_states == fresh_means(load_parameters())


def test_what_programming_took_and_its_seeds_are_kept(tmp_path):
    chip = programmed(PHYSICAL.replace(programming="write-verify"), seed=memrix.Seeds(1, 2, 3))
    loaded = memrix.load(saved(tmp_path, chip), Net())
    assert memrix.summary(loaded).to_dict() == memrix.summary(chip).to_dict()
    assert loaded.up.memrix.array.record == chip.up.memrix.array.record
    assert loaded.up.memrix.array.seeds == memrix.Seeds(1, 2, 3)


def test_device_parameters_are_kept_although_their_file_is_gone(tmp_path):
    parameters = tmp_path / "device.json"
    save_parameters(load_parameters(), parameters)
    chip = programmed(PHYSICAL.replace(**{"device.parameters": str(parameters)}))
    path = saved(tmp_path, chip)
    parameters.unlink()
    loaded = memrix.load(path, Net().eval())
    assert torch.equal(outputs(loaded), outputs(chip))
    memrix.save(loaded, tmp_path / "again.safetensors")
    assert torch.equal(outputs(memrix.load(tmp_path / "again.safetensors", Net().eval())), outputs(chip))


def test_precision_is_that_of_the_chip(tmp_path):
    chip = programmed(layers=["up", "down"]).bfloat16()
    loaded = memrix.load(saved(tmp_path, chip), Net().eval())
    assert loaded.up.weight.dtype == loaded.norm.running_mean.dtype == torch.bfloat16
    assert loaded.up.memrix.array.crossbar.difference.dtype == torch.float32
    assert torch.equal(outputs(loaded, x=X.bfloat16()), outputs(chip, x=X.bfloat16()))


def test_a_shared_layer_and_tied_tensors_are_stored_once_and_stay_one(tmp_path):
    shared = nn.Linear(6, 6)
    chip = programmed(model=nn.Sequential(shared, nn.ReLU(), shared), layers=None)
    path = saved(tmp_path, chip)
    assert sorted(load_file(path)) == [
        "0.bias",
        "0.memrix.array.crossbar.difference",
        "0.memrix.array.crossbar.total",
        "0.memrix.array.weight_step",
        "0.memrix.input_range",
        "0.weight",
    ]
    other = nn.Linear(6, 6)
    loaded = memrix.load(path, nn.Sequential(other, nn.ReLU(), other))
    assert loaded[0] is loaded[2]
    assert torch.equal(outputs(loaded), outputs(chip))
    loaded = memrix.load(saved(tmp_path), Net(seed=1))
    assert loaded.head.weight is loaded.table.weight


def test_a_layer_alone_is_a_model(tmp_path):
    chip = programmed(model=nn.Linear(6, 2), layers=None)
    assert torch.equal(outputs(memrix.load(saved(tmp_path, chip), nn.Linear(6, 2))), outputs(chip))


def test_a_chip_inside_another_model(tmp_path):
    chip = nn.Sequential(programmed(), nn.ReLU()).eval()
    loaded = memrix.load(saved(tmp_path, chip), nn.Sequential(Net(seed=1), nn.ReLU()).eval())
    assert torch.equal(outputs(loaded), outputs(chip))


class Pair(nn.Module):
    """Two matrices that are multiplied by without calling anything."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        return nn.functional.linear(x, self.first.weight) + nn.functional.linear(x, self.second.weight)


class DecomposedPair(DecomposedLayer):
    def forward(self, x):
        return self.first(x) + self.second(x)


register_composite(Composite(Pair, DecomposedPair, lambda pair: {"first": pair.first, "second": pair.second}))


@pytest.mark.parametrize("layers", [None, "*.first"])
def test_composite_layers_are_opened(layers, tmp_path):
    chip = programmed(model=nn.Sequential(Pair()), layers=layers)
    model = nn.Sequential(Pair())
    loaded = memrix.load(saved(tmp_path, chip), model)
    assert torch.equal(outputs(loaded), outputs(chip))
    assert isinstance(loaded[0], DecomposedPair)
    assert submodules_of(model[0]) is not None, "the model itself stays closed"


def test_file_has_no_padding_and_half_takes_half(tmp_path):
    model = nn.Sequential(nn.Linear(129, 10))
    memrix.calibrate(model, [torch.ones(1, 129)], PHYSICAL)
    chip = memrix.program(model, PHYSICAL)
    assert chip[0].memrix.array.crossbar.difference.shape == (2, 128, 3 * 10)
    cells = load_file(saved(tmp_path, chip))["0.memrix.array.crossbar.total"]
    assert (cells.dtype, cells.shape) == (torch.float32, (1, 129, 3, 10))
    cells = load_file(saved(tmp_path, chip, half=True))["0.memrix.array.crossbar.total"]
    assert (cells.dtype, cells.shape) == (torch.float16, (1, 129, 3, 10))


def test_half_precision_of_cells_is_what_it_says(tmp_path):
    chip = programmed()
    loaded = memrix.load(saved(tmp_path, chip, half=True), Net().eval())
    one, other = loaded.up.memrix.array.crossbar, chip.up.memrix.array.crossbar
    for name in ("difference", "total"):
        error = (getattr(one, name) - getattr(other, name)).abs().max()
        assert 0 < error <= 2.0**-11
    assert one.difference.dtype == torch.float32
    assert (outputs(loaded) - outputs(chip)).abs().mean() < 0.1 * outputs(chip).abs().mean()


def test_device_of_the_chip(tmp_path):
    chip = memrix.load(saved(tmp_path), Net(), device="cpu")
    assert {tensor.device.type for tensor in chip.state_dict().values()} == {"cpu"}
    with pytest.raises(CheckpointError, match=r"'cuda:7' is not there.*'cpu' always is"):
        memrix.load(saved(tmp_path), Net(), device="cuda:7")
    with pytest.raises(CheckpointError, match="'gpu' is not there"):
        memrix.load(saved(tmp_path), Net(), device="gpu")
    with pytest.raises(CheckpointError, match="meta"):
        memrix.load(saved(tmp_path), Net(), device="meta")


class TestStateDict:
    def test_round_trip_into_a_chip_of_other_cells(self):
        chip, other = programmed(TUNED, seed=0), programmed(TUNED, Net(seed=1), seed=1)
        assert not torch.equal(outputs(other), outputs(chip))
        other.load_state_dict(chip.state_dict())
        assert torch.equal(outputs(other), outputs(chip))
        assert other.up.memrix.array.record == chip.up.memrix.array.record

    def test_holds_tensors_alone(self):
        assert all(isinstance(value, torch.Tensor) for value in programmed().state_dict().values())

    def test_other_hardware_is_refused_with_the_settings(self):
        other = PHYSICAL.replace(weight_bits=3, programming="pre-cycled", **{"adc.range_bits": 6})
        state, chip = programmed(other).state_dict(), programmed()
        before = copy.deepcopy(chip.conv.state_dict())
        with pytest.raises(CheckpointError) as caught:
            chip.load_state_dict(state)
        for text in (
            "'conv'",
            "weight_bits = 3, here 4",
            "adc.range_bits = 6, here 4",
            "programming.protocol = 'pre-cycled', here 'reset-set'",
            "programming.cycles = 1, here 'not set'",
        ):
            assert text in str(caught.value)
        assert all(torch.equal(value, before[key]) for key, value in chip.conv.state_dict().items())

    def test_extra_state_that_is_none(self):
        state = programmed().state_dict()
        state["up.memrix.array._extra_state"] = torch.zeros(3, dtype=torch.uint8)
        with pytest.raises(CheckpointError, match="extra state"):
            programmed().load_state_dict(state)


def test_deep_copies_are_equal_and_independent():
    chip = programmed(TUNED)
    copied = copy.deepcopy(chip)
    assert torch.equal(outputs(copied), outputs(chip))
    expected = outputs(chip)
    with torch.no_grad():
        copied.up.memrix.array.crossbar.difference.zero_()
        copied.norm.weight.zero_()
    assert torch.equal(outputs(chip), expected)
    assert not torch.equal(outputs(copied), expected)


class TestRefusals:
    def refused(self, path: Path, model: nn.Module, *texts: str) -> None:
        with pytest.raises(CheckpointError) as caught:
            memrix.load(path, model)
        for text in texts:
            assert text in str(caught.value)

    def test_every_difference_is_listed(self, tmp_path):
        model = Net(width=8)
        model.conv = nn.Conv1d(6, 6, 3, padding=1, groups=2, padding_mode="circular", bias=False)
        model.norm = nn.LayerNorm(6)
        model.extra = nn.Linear(2, 2)
        self.refused(
            saved(tmp_path),
            model,
            "'down.weight' is [6, 12] in the file and [6, 8] in the model",
            "'up' has cells of [1, 6, 3, 12]",
            "module 'conv' has padding_mode = 'zeros' in the file, 'circular' in the model",
            "tensor 'conv.bias' is not in the model",
            "module 'norm' is BatchNorm1d in the file and LayerNorm in the model",
            "tensor 'norm.running_mean' is not in the model",
            "module 'extra' (Linear) is not in the file",
            "tensor 'extra.weight' is not in the file",
        )

    def test_no_difference_is_listed_twice(self, tmp_path):
        model = Net()
        model.down = nn.Linear(12, 5)
        with pytest.raises(CheckpointError) as caught:
            memrix.load(saved(tmp_path), model)
        assert [line.split()[:2] for line in str(caught.value).splitlines()[1:]] == [
            ["layer", "'down'"],
            ["module", "'down'"],
            ["tensor", "'down.weight'"],
            ["tensor", "'down.bias'"],
        ]

    def test_other_layers(self, tmp_path):
        model = Net()
        model.up, model.down = nn.Conv1d(6, 12, 1), nn.Identity()
        self.refused(
            saved(tmp_path),
            model,
            "layer 'up' is Linear in the file and Conv1d in the model",
            "layer 'down' (Linear) is not in the model",
        )

    def test_layer_that_was_float(self, tmp_path):
        model = Net()
        memrix.quantize(model, PHYSICAL, layers=[*LAYERS, "head"])
        self.refused(saved(tmp_path), model, "layer 'head' is quantized in the model and float in the file")

    def test_tensors_that_are_one_in_the_model(self, tmp_path):
        chip = programmed()
        chip.head.weight = nn.Parameter(chip.head.weight + 1)
        self.refused(saved(tmp_path, chip), Net(), "'table.weight' and 'head.weight' are one in the model and two")

    def test_file_cut_short(self, tmp_path):
        path = saved(tmp_path)
        whole = path.read_bytes()
        for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            self.refused(path, Net(), "cut short")

    def test_tampered_tensor_and_description(self, tmp_path):
        path = saved(tmp_path)
        whole = bytearray(path.read_bytes())
        for position in (-1, whole.index(b"reset-set") + 4):
            damaged = bytearray(whole)
            damaged[position] ^= 1
            path.write_bytes(damaged)
            self.refused(path, Net(), "SHA-256")

    def test_other_files(self, tmp_path):
        self.refused(tmp_path / "nothing", Net(), "there is no file", "memrix.save")
        self.refused(tmp_path, Net(), "cannot be read")
        (tmp_path / "text").write_text("no tensors here, only words" * 9)
        self.refused(tmp_path / "text", Net(), "no chip that memrix.save wrote")
        save_file({"weight": torch.ones(2)}, tmp_path / "weights")
        self.refused(tmp_path / "weights", Net(), "holds tensors, but no chip")
        self.refused(None, Net(), "a string or a Path")  # type: ignore[arg-type]

    def test_newer_format(self, tmp_path):
        path = saved(tmp_path)
        with safe_open(path, "pt") as file:
            metadata = {**file.metadata(), "memrix_format": "5"}
        save_file(load_file(path), path, metadata)
        self.refused(path, Net(), "format 5", "upgrade memrix")

    def test_models_of_another_kind(self, tmp_path):
        path = saved(tmp_path)
        self.refused(path, [1], "expected the digital model, a torch.nn.Module, got list")  # type: ignore[arg-type]
        self.refused(path, programmed(), "on a chip already")
        self.refused(path, Net().to("meta"), "meta device")

    def test_saving_what_is_no_chip(self, tmp_path):
        for model, text in ((Net(), "no layer of this model runs on a chip"), (1, "got int")):
            with pytest.raises(CheckpointError, match=text):
                memrix.save(model, tmp_path / "chip.safetensors")  # type: ignore[arg-type]
        assert not list(tmp_path.iterdir())

    def test_places_that_cannot_be_written(self, tmp_path):
        chip = programmed()
        (tmp_path / "file").write_text("kept")
        for path in (tmp_path, tmp_path / "missing" / "chip", tmp_path / "file" / "chip"):
            with pytest.raises(CheckpointError, match="cannot be written"):
                memrix.save(chip, path)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_what_safetensors_cannot_hold(self, tmp_path):
        chip = programmed()
        chip.register_buffer("sparse", torch.eye(2).to_sparse())
        with pytest.raises(CheckpointError, match="'sparse'"):
            memrix.save(chip, tmp_path / "chip.safetensors")


def test_a_failed_save_leaves_the_older_file(tmp_path):
    path, chip = saved(tmp_path), programmed()
    older = path.read_bytes()
    chip.register_buffer("sparse", torch.eye(2).to_sparse())
    with pytest.raises(CheckpointError):
        memrix.save(chip, path)
    assert path.read_bytes() == older
    shutil.copy(path, tmp_path / "other")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["chip.safetensors", "other"]


def test_a_save_that_is_killed_leaves_the_older_file(tmp_path):
    path = saved(tmp_path)
    older = path.read_bytes()
    script = (
        "import os, signal, sys, memrix, memrix._support.archive\n"
        "from tests.checkpoint.test_checkpoint import programmed\n"
        "memrix._support.archive.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "memrix.save(programmed(seed=9), sys.argv[1])\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    assert subprocess.run(command, cwd=Path(__file__).parents[2]).returncode == -9
    assert path.read_bytes() == older
    memrix.load(path, Net())


def test_file_is_for_everyone_whom_the_umask_allows(tmp_path):
    (tmp_path / "plain").touch()
    assert saved(tmp_path).stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_description_is_json_that_others_can_read(tmp_path):
    with safe_open(saved(tmp_path), "pt") as file:
        content = json.loads(file.metadata()["memrix"])["content"]
    assert content["version"] == memrix.__version__
    assert content["layers"]["up"]["hardware"]["weight_bits"] == 4
    assert list(content["layers"]) == LAYERS
    assert (content["format"], content["streams"]) == (4, 2)


def test_digital_parameters_can_be_trained_after_loading(tmp_path):
    loaded = memrix.load(saved(tmp_path), Net())
    loaded(X).sum().backward()
    assert loaded.up.weight.grad is not None
    assert isinstance(loaded.up, CrossbarLayer)
    assert isinstance(loaded.up, QuantizedLayer)
