import warnings

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CalibrationError, ConversionError, CoverageWarning, InputError, SettingsError
from memrix.nn import CrossbarLayer, MemristorLinear

PHYSICAL = memrix.Hardware.preset("physical")
X = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.block = nn.ModuleDict({"up": nn.Linear(6, 12), "down": nn.Linear(12, 6)})
        self.norm = nn.LayerNorm(6)

    def forward(self, x):
        x = self.first(x)
        return self.norm(x + self.block["down"](self.block["up"](x).relu()))


def on_chip(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, CrossbarLayer)]


def cells(layer: nn.Module) -> torch.Tensor:
    return layer.memrix.array.crossbar.difference


def calibrated(model: nn.Module, **options) -> nn.Module:
    memrix.calibrate(model, [X], PHYSICAL, **options)
    return model


def test_program_maps_every_layer_and_leaves_the_model_alone():
    model = calibrated(Net())
    keys = list(model.state_dict())
    chip = memrix.program(model, PHYSICAL)
    assert on_chip(chip) == ["first", "block.up", "block.down"]
    assert on_chip(model) == []
    assert type(model.first) is nn.Linear
    assert keys == list(Net().state_dict()), "calibration must not change what a checkpoint holds"


def test_patterns_predicates_and_mappings_choose_layers():
    model = calibrated(Net())
    assert on_chip(memrix.program(model, PHYSICAL, layers="block.*")) == ["block.up", "block.down"]
    assert on_chip(memrix.program(model, PHYSICAL, layers=["first", "*.up"])) == ["first", "block.up"]
    assert on_chip(memrix.program(model, PHYSICAL, layers=lambda name, m: name == "first")) == ["first"]
    assert on_chip(memrix.program(model, {"*": PHYSICAL, "first": None})) == ["block.up", "block.down"]


def test_last_matching_pattern_gives_a_layer_its_own_hardware():
    model = calibrated(Net())
    chip = memrix.program(model, {"*": PHYSICAL, "*.up": PHYSICAL.replace(weight_bits=8)})
    assert chip.block["up"].memrix.hardware.weight_bits == 8
    assert chip.block["down"].memrix.hardware.weight_bits == 4


def test_a_layer_alone_is_a_model():
    assert isinstance(memrix.program(calibrated(nn.Linear(6, 2)), PHYSICAL), MemristorLinear)


def test_fast_path_of_torch_s_encoder_does_not_pass_the_crossbars_by():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 12, batch_first=True), 2).eval()
    layers = ["*.linear1", "*.linear2"]
    memrix.calibrate(encoder, [X[None]], PHYSICAL, layers=layers)
    chip = memrix.program(encoder, PHYSICAL, layers=layers)
    with torch.no_grad():
        chip(X[None])
    assert all(layer.conversions > 0 for layer in memrix.summary(chip).layers)


@pytest.mark.parametrize("layers", [None, ["*.linear1", "*.linear2"], ["*.q_proj"]])
def test_padding_mask_of_torch_s_encoder(layers):
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 12, batch_first=True), 2).eval()
    mask = torch.tensor([[False, False, True, True]])
    with torch.no_grad():
        before = encoder(X[None], src_key_padding_mask=mask)
        memrix.calibrate(encoder, [{"src": X[None], "src_key_padding_mask": mask}], PHYSICAL, layers=layers)
        assert encoder.use_nested_tensor, "calibration must leave the model as it was"
        torch.testing.assert_close(encoder(X[None], src_key_padding_mask=mask), before)
        output = memrix.program(encoder, PHYSICAL, layers=layers)(X[None], src_key_padding_mask=mask)
    assert output.shape == (1, 4, 6)


def test_layer_called_by_keyword():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 2)

        def forward(self, x):
            return self.layer(input=x)

    chip = memrix.program(calibrated(Named()), PHYSICAL)
    assert chip(X).shape == (4, 2)


def test_a_shared_layer_is_one_crossbar():
    shared = nn.Linear(6, 6)
    chip = memrix.program(calibrated(nn.Sequential(shared, nn.ReLU(), shared)), PHYSICAL)
    assert chip[0] is chip[2]


def test_hooks_stay_on_their_layer():
    model = calibrated(nn.Sequential(nn.Linear(6, 6)))
    seen = []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    memrix.program(model, PHYSICAL)(X)
    assert seen == [1]


def test_a_layer_draws_the_same_cells_whatever_else_is_selected():
    model = calibrated(Net())
    whole, part = memrix.program(model, PHYSICAL), memrix.program(model, PHYSICAL, layers="block.down")
    assert torch.equal(
        whole.block["down"].memrix.array.crossbar.difference, part.block["down"].memrix.array.crossbar.difference
    )
    assert not torch.equal(
        whole.first.memrix.array.crossbar.difference,
        memrix.program(model, PHYSICAL, seed=1).first.memrix.array.crossbar.difference,
    )


def test_progress_ends_at_all_cells():
    model, calls = calibrated(Net()), []
    memrix.program(model, PHYSICAL, progress=lambda done, total, layer: calls.append((done, total, layer)))
    cells = (6 * 6 + 6 * 12 + 12 * 6) * 3 * 2
    assert calls[-1] == (cells, cells, "block.down")
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)


def test_reseed_repeats_the_readings():
    chip = memrix.program(calibrated(Net()), PHYSICAL)
    # Noise is small against a step of the ADC: a few readings may come out the same.
    many = X.repeat(30, 1)
    memrix.reseed(chip, read=7)
    first = chip(many)
    assert not torch.equal(chip(many), first)
    memrix.reseed(chip, read=7)
    assert torch.equal(chip(many), first)


def test_statistics_start_over():
    chip = memrix.program(calibrated(Net()), PHYSICAL)
    chip(X)
    assert memrix.summary(chip).conversions > 0
    memrix.reset_statistics(chip)
    assert memrix.summary(chip).conversions == 0


@pytest.mark.parametrize("batch", [X, (X,), [X], {"x": X}])
def test_batches_may_be_tensors_tuples_or_mappings(batch):
    model = Net()
    memrix.calibrate(model, [batch], PHYSICAL)
    assert float(model.first.memrix.input_range) == pytest.approx(float(X.abs().max()))


def test_ranges_cover_all_batches_and_the_mode_is_kept():
    model = Net().train()
    memrix.calibrate(model, [X, 3 * X, X], PHYSICAL)
    assert float(model.first.memrix.input_range) == pytest.approx(3 * float(X.abs().max()))
    assert model.training
    assert model.first.training


def test_ranges_that_are_there_can_be_kept():
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL, layers=["first"])
    tuned = memrix.Hardware.preset("tuned")
    memrix.calibrate(model, [3 * X] * 4, tuned, keep_ranges=True)
    assert float(model.first.memrix.input_range) == pytest.approx(float(X.abs().max()))
    assert all(float(model.block[name].memrix.input_range) > 0 for name in ("up", "down"))
    memrix.program(model, tuned)


class PartlyMapped(nn.Module):
    """A linear layer, and one that has no crossbar counterpart."""

    def __init__(self):
        super().__init__()
        self.linear, self.bilinear = nn.Linear(6, 6), nn.Bilinear(6, 6, 6)

    def forward(self, x):
        y = self.linear(x)
        return self.bilinear(y, y)


class TestBadInput:
    def test_batches_with_labels(self):
        with pytest.raises(CalibrationError, match=r"too many positional arguments; .*\(x for x, label in loader\)"):
            memrix.calibrate(Net(), [(X, torch.zeros(4))], PHYSICAL)

    def test_model_without_a_mappable_layer(self):
        with pytest.raises(ConversionError, match=r"no layer to map.*LSTM.*of the model are: .*Bilinear"):
            memrix.program(nn.Bilinear(3, 3, 3), PHYSICAL)
        with pytest.raises(ConversionError, match="no layer with a weight matrix"):
            memrix.program(nn.ReLU(), PHYSICAL)

    def test_selected_layer_that_is_not_supported(self):
        model = nn.Sequential(nn.Bilinear(6, 6, 6), nn.Linear(6, 6))
        with pytest.raises(ConversionError, match="'0' cannot be mapped: Bilinear has no crossbar counterpart"):
            memrix.program(model, PHYSICAL, layers=["0", "1"])

    def test_unsupported_layer_that_was_not_asked_for_is_warned_of(self):
        model = nn.Sequential(nn.Linear(6, 6), nn.Bilinear(6, 6, 6))
        with pytest.warns(CoverageWarning, match=r"'1' \(Bilinear"):
            memrix.quantize(model, PHYSICAL)

    def test_a_model_is_warned_of_a_layer_once_whatever_is_done_with_it(self):
        model = PartlyMapped()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            memrix.calibrate(model, [X], PHYSICAL)
            memrix.program(model, PHYSICAL)
            memrix.quantize(model, PHYSICAL)
        assert [each.category for each in caught] == [CoverageWarning]

    def test_a_new_layer_is_warned_of_though_others_were(self):
        model = nn.Sequential(nn.Linear(6, 6), nn.Bilinear(6, 6, 6))
        with pytest.warns(CoverageWarning, match="'1'"):
            memrix.quantize(model, PHYSICAL)
        model.append(nn.Bilinear(6, 6, 6))
        with pytest.warns(CoverageWarning, match=r"'1'.*'2'"):
            memrix.quantize(model, PHYSICAL)
        with pytest.warns(CoverageWarning, match="'1'"):
            memrix.quantize(nn.Sequential(nn.Linear(6, 6), nn.Bilinear(6, 6, 6)), PHYSICAL)

    def test_pattern_of_a_container_is_not_ignored(self):
        for options in ({"layers": ["block", "first"]}, {}):
            hardware = PHYSICAL if options else {"*": PHYSICAL, "block": None}
            with pytest.raises(ConversionError, match=r"'block' matches modules, but none.*'block\.\*'"):
                memrix.program(calibrated(Net()), hardware, **options)

    def test_names_of_a_shared_layer_that_disagree(self):
        shared = nn.Linear(6, 6)
        model = calibrated(nn.Sequential(shared, nn.ReLU(), shared))
        with pytest.raises(ConversionError, match="different hardware"):
            memrix.program(model, {"*": PHYSICAL, "2": None})

    def test_forward_that_was_replaced_on_the_object(self):
        layer = nn.Linear(6, 6)
        layer.forward = lambda x: x
        with pytest.raises(ConversionError, match="replaced on the object itself"):
            memrix.program(nn.Sequential(layer), PHYSICAL, layers="0")

    def test_convolution_that_computes_something_else(self):
        class Causal(nn.Conv1d):
            def _conv_forward(self, x, weight, bias):
                return super()._conv_forward(x, weight * 0, bias)

        with pytest.raises(ConversionError, match="overrides _conv_forward"):
            memrix.program(nn.Sequential(Causal(6, 6, 1)), PHYSICAL, layers="0")

    def test_lazy_layer(self):
        with pytest.raises(ConversionError, match="no weights yet"):
            memrix.program(nn.LazyLinear(3), PHYSICAL)

    def test_batches_that_are_one_batch(self):
        with pytest.raises(CalibrationError, match=r"\[batch\]"):
            memrix.calibrate(Net(), X, PHYSICAL)

    def test_every_problem_is_listed(self):
        model = nn.Sequential(nn.Bilinear(1, 1, 3), nn.LSTM(3, 3), nn.Linear(6, 6))
        with pytest.raises(ConversionError) as caught:
            memrix.program(model, PHYSICAL, layers=["0", "1", "2", "haed"])
        assert all(text in str(caught.value) for text in ("'0'", "'1'", "'haed'"))

    def test_subclass_with_a_forward_of_its_own(self):
        class Scaled(nn.Linear):
            def forward(self, x):
                return 2 * super().forward(x)

        with pytest.raises(ConversionError, match="overrides forward"):
            memrix.program(nn.Sequential(Scaled(6, 6)), PHYSICAL, layers="0")

    def test_parametrized_layer(self):
        layer = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
        with pytest.raises(ConversionError, match="remove_parametrizations"):
            memrix.program(nn.Sequential(layer), PHYSICAL, layers="0")

    def test_not_calibrated(self):
        with pytest.raises(CalibrationError, match=r"first, block\.up.*memrix\.calibrate"):
            memrix.program(Net(), PHYSICAL)

    def test_no_batches(self):
        with pytest.raises(CalibrationError, match="at least one batch"):
            memrix.calibrate(Net(), [], PHYSICAL)

    def test_batch_of_another_kind(self):
        with pytest.raises(CalibrationError, match="got str"):
            memrix.calibrate(Net(), ["hello"], PHYSICAL)

    def test_layer_that_no_batch_reaches(self):
        model = Net()
        model.unused = nn.Linear(2, 2)
        with pytest.raises(CalibrationError, match="unused"):
            memrix.calibrate(model, [X], PHYSICAL)

    def test_nan_in_a_batch(self):
        with pytest.raises(InputError, match="'first'"):
            memrix.calibrate(Net(), [X * torch.nan], PHYSICAL)

    def test_failed_calibration_leaves_no_hook(self):
        model = Net()
        with pytest.raises(InputError):
            memrix.calibrate(model, [X * torch.nan], PHYSICAL)
        model(X * torch.nan)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_weights_that_are_not_finite(self, value):
        model = calibrated(Net())
        with torch.no_grad():
            model.block["up"].weight[0, 0] = value
        for verb in (memrix.program, memrix.quantize):
            with pytest.raises(ConversionError, match=r"block\.up"):
                verb(model, PHYSICAL)

    def test_chip_programmed_twice(self):
        with pytest.raises(ConversionError, match="on a chip already"):
            memrix.program(memrix.program(calibrated(Net()), PHYSICAL), PHYSICAL)

    @pytest.mark.parametrize("hardware", ["paper", None, {"first": "paper"}, {1: PHYSICAL}])
    def test_hardware_of_another_kind(self, hardware):
        with pytest.raises(SettingsError):
            memrix.program(calibrated(Net()), hardware)

    def test_model_of_another_kind(self):
        with pytest.raises(ConversionError, match=r"torch\.nn\.Module, got list"):
            memrix.program([1], PHYSICAL)

    @pytest.mark.parametrize(
        "verb",
        [
            lambda model: memrix.summary(model),
            lambda model: memrix.summary(model, [X]),
            lambda model: memrix.reseed(model, read=1),
            lambda model: memrix.reset_statistics(model),
            lambda model: memrix.set_epoch(model, 1),
        ],
    )
    def test_model_of_another_kind_to_the_other_verbs(self, verb):
        with pytest.raises(ConversionError, match=r"expected a torch\.nn\.Module, got NoneType"):
            verb(None)

    @pytest.mark.parametrize("given", [{"observer": "min-max"}, "min-max", memrix.Quantization])
    def test_quantization_of_another_kind(self, given):
        model = Net()
        with pytest.raises(SettingsError, match=r"expected a memrix\.Quantization or None, got (dict|str|type);"):
            memrix.quantize(model, PHYSICAL, given)
        assert type(model.first) is nn.Linear

    @pytest.mark.parametrize("layers", [3, 0, False, (name for name in ["first"])])
    def test_layers_of_another_kind(self, layers):
        with pytest.raises(SettingsError, match=r"layers must be a name pattern, .* got "):
            memrix.quantize(Net(), PHYSICAL, layers=layers)

    @pytest.mark.parametrize("batches", [None, 3])
    def test_batches_of_another_kind(self, batches):
        with pytest.raises(CalibrationError, match=r"batches must be a list .* got (NoneType|int);"):
            memrix.calibrate(Net(), batches, PHYSICAL)

    def test_batches_may_be_a_data_set(self):
        model = Net()
        memrix.calibrate(model, torch.utils.data.TensorDataset(X), PHYSICAL)
        assert float(model.first.memrix.input_range) == pytest.approx(float(X.abs().max()))

    @pytest.mark.parametrize("seed", [-1, 1.5, "0"])
    def test_seed_of_another_kind(self, seed):
        with pytest.raises(memrix.MemrixError, match="seed"):
            memrix.program(calibrated(Net()), PHYSICAL, seed=seed)

    def test_reseeding_a_digital_model(self):
        with pytest.raises(ConversionError, match="no layer of this model runs on a chip"):
            memrix.reseed(Net(), read=1)
