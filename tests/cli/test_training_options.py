"""Options of `memrix train` beside a recipe."""

import pytest

from memrix.asr.recipes import read_settings
from memrix.asr.training.settings import TrainingSettings
from memrix.cli.training_options import changed
from memrix.errors import SettingsError


def settings(recipe, **given):
    return TrainingSettings.from_dict(changed(read_settings(recipe)[0], given))


def test_another_chip_keeps_what_the_recipe_says_of_weights():
    hardware = settings("whisper-low-bit", hardware="physical", weight_bits=3.0).hardware
    assert (hardware.weight_bits, hardware.weight_range) == (3, "mean-square-error")
    assert hardware.adc == settings("whisper", hardware="physical").hardware.adc


def test_bits_ask_for_low_bit_weights_and_a_method_wins():
    assert settings("small", weight_bits=4).method == "quantization-aware"
    assert settings("small", weight_bits=4, method="hardware-aware").method == "hardware-aware"
    assert settings("small").method == "float"


def test_aids_are_told_one_by_one():
    found = settings("whisper-low-bit", annealing=("8:1", "4:2"), distillation=0.25, weight_noise=0.05, seed=3)
    assert found.annealing == ((8, 1), (4, 2))
    assert (found.distillation.logits, found.distillation.encoder) == (0.25, 0.5)
    assert found.quantization.weight_noise == 0.05
    assert found.quantization.learned_steps
    assert found.seed == 3


def test_the_highest_learning_rate_scales_all():
    assert settings("small", learning_rate=1e-3).optimizer.learning_rates == pytest.approx((5e-5, 1e-3, 2e-4, 5e-7))


def test_annealing_takes_bits_and_epochs():
    with pytest.raises(SettingsError, match="--annealing takes bits:epochs"):
        settings("whisper-low-bit", annealing=("8",))
