"""One file says what a training is, and is told everything that is wrong with it."""

import pytest

from memrix.asr.training.settings import TrainingSettings
from memrix.crossbar import ResetRamp
from memrix.errors import SettingsError
from memrix.hardware import Hardware

PAPER = Hardware.preset("paper")


def loaded(tmp_path, text):
    path = tmp_path / "training.toml"
    path.write_text(text)
    return TrainingSettings.load(path)


@pytest.mark.parametrize(
    "text",
    [
        'hardware = {preset = "paper", adc.range_bits = 5}',
        '[hardware]\npreset = "paper"\n[hardware.adc]\nrange_bits = 5',
        'hardware = {preset = "paper", "adc.range_bits" = 5}',
    ],
)
def test_a_setting_inside_of_a_preset_is_changed(tmp_path, text):
    assert loaded(tmp_path, text).hardware == PAPER.replace(**{"adc.range_bits": 5})


@pytest.mark.parametrize(
    "programming",
    [
        'programming = {protocol = "reset-ramp", step = 0.01}',
        'programming = "reset-ramp", "programming.step" = 0.01',
    ],
)
@pytest.mark.parametrize("preset", ["paper", "tuned"])
def test_a_protocol_and_its_settings_are_changed(tmp_path, preset, programming):
    settings = loaded(tmp_path, f'hardware = {{preset = "{preset}", {programming}}}')
    assert settings.hardware == Hardware.preset(preset).replace(programming=ResetRamp(step=0.01))


def test_every_problem_of_a_chip_is_listed_at_once(tmp_path):
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, 'epochs = 0\nhardware = {preset = "paper", weight_bits = 40, noise = "x", adc = 5}')
    message = str(caught.value)
    assert all(problem in message for problem in ("epochs", "got 40", "got 'x'", "adc must be a table of settings"))
    assert "replace(" not in message


@pytest.mark.parametrize("preset", ['"papper"', "5", '["paper"]'])
def test_a_chip_that_is_not_there_is_named(tmp_path, preset):
    with pytest.raises(SettingsError, match=r"hardware: .*preset"):
        loaded(tmp_path, f"hardware = {{preset = {preset}}}")


@pytest.mark.parametrize("speed", ["0", "-1.0", "0.0", "nan", "inf", "1e-6"])
def test_speeds_that_cannot_be_are_refused(tmp_path, speed):
    with pytest.raises(SettingsError, match=r"augmentation\.speeds\.1: .* or equal to"):
        loaded(tmp_path, f"augmentation = {{speeds = [1.0, {speed}]}}")


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("setting", ["learning_rates = [1e-3, {}]\nphases = [1.0]", "weight_decay = {}"])
def test_an_optimizer_of_finite_numbers(tmp_path, setting, value):
    with pytest.raises(SettingsError, match=f"optimizer.*, got {value}"):
        loaded(tmp_path, "[optimizer]\n" + setting.format(value))


def test_phases_are_finite(tmp_path):
    with pytest.raises(SettingsError, match=r"optimizer\.phases\.0.*finite.*nan"):
        loaded(tmp_path, "[optimizer]\nlearning_rates = [1e-3, 1e-4]\nphases = [nan]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('method = "quantization-aware"\nquantization = {device_resampling = true}', "method 'hardware-aware'$"),
        ('method = "hardware-aware"\nquantization = {weight_noise = 0.1}', "or use method 'quantization-aware'$"),
        ('method = "hardware-aware"\nseed = 3\nquantization = {seed = 4}', "seed=4 .* seed=3"),
        ('method = "quantization-aware"\nquantization = {seed = 4}', "seed=4 .* seed=0"),
    ],
)
def test_a_quantization_that_contradicts_the_training_is_refused(tmp_path, text, said):
    with pytest.raises(SettingsError, match=rf"cannot be used:\n  quantization.*{said}"):
        loaded(tmp_path, text)


def test_every_contradiction_is_listed_at_once(tmp_path):
    text = 'method = "quantization-aware"\nquantization = {device_resampling = true, seed = 4}'
    with pytest.raises(SettingsError, match=r"\n  quantization\.device_resampling.*\n  quantization\.seed"):
        loaded(tmp_path, text)


@pytest.mark.parametrize(("method", "fresh"), [("quantization-aware", False), ("hardware-aware", True)])
def test_chips_and_seed_of_a_quantization_are_those_of_the_training(method, fresh):
    settings = TrainingSettings.from_dict({"method": method, "seed": 3})
    assert (settings.complete_quantization.device_resampling, settings.complete_quantization.seed) == (fresh, 3)
    again = TrainingSettings.from_dict(settings.model_dump(mode="json"))
    assert again.complete_quantization == settings.complete_quantization


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            'model = {preset = "small", widht = 3}',
            ["no setting 'model.widht' (did you mean 'width'?); those that exist are kind, width, blocks, heads"],
        ),
        ("model = {blokcs = 3}", ["no setting 'model.blokcs' (did you mean 'blocks'?)"]),
        (
            'model = {kind = "transformers", confg = 1}',
            ["'model.confg' (did you mean 'config'?); those that exist are kind, config, checkpoint"],
        ),
        (
            'model = {kind = "conformr"}',
            ["model.kind must be one of 'conformer', 'transformers', 'sequence-to-sequence', got 'conformr' (did"],
        ),
        ("model = {zzz = 1}", ["no setting 'model.zzz'; those that exist are kind, width"]),
        ('model = {width = "x"}', ["  model.width: Input should be a valid integer"]),
        ("model = 5", ["a model is a preset (small, medium, paper) or a table of settings, got 5"]),
        ("model = {kernel = 4}", ["  model: kernel must be odd"]),
        (
            "[optimizer]\nphase = 1",
            ["'optimizer.phase' (did you mean 'phases'?); those that exist are learning_rates"],
        ),
        (
            "epohs = 3\nmodel = {heds = 2}",
            ["'epohs' (did you mean 'epochs'?)", "'model.heds' (did you mean 'heads'?)"],
        ),
    ],
)
def test_a_setting_that_does_not_exist_is_told_those_that_do(tmp_path, text, lines):
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text)
    assert [line for line in lines if line not in str(caught.value)] == []
