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
