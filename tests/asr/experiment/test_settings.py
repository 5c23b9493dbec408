import pytest

from memrix.asr.experiment.settings import ExperimentSettings
from memrix.errors import SettingsError


def test_every_adc_meets_every_pre_cycling_on_every_chip():
    settings = ExperimentSettings(hardware=("paper", "tuned"), adc=("4/4", "8/6"), pre_cycles=(1, 10))
    variants = settings.variants(3)
    assert len(variants) == 2 * 2 * 2
    assert "tuned, ADC 4/4, 1 pre-cycle" in variants
    chip = variants["paper, ADC 8/6, 10 pre-cycles"]
    assert (chip.adc.precision_bits, chip.adc.range_bits, chip.weight_bits) == (8, 6, 3)
    assert (chip.programming.name, chip.programming.cycles) == ("pre-cycled", 10)


def test_a_chip_without_grids_is_as_it_is():
    (name,) = ExperimentSettings().variants(1.5)
    assert name == "paper"


def test_trainings_are_one_recipe_apart():
    given = {"epochs": 7, "low_bit_epochs": (3,), "weight_noise": 0.05, "weight_range": "mean-square-error"}
    settings = ExperimentSettings(**given, seed=4)
    first, low_bit = settings.float_training(), settings.low_bit_training(3, "float.safetensors")
    assert (first.method, first.epochs, first.seed) == ("float", 7, 4)
    assert (low_bit.method, low_bit.epochs, low_bit.seed) == ("quantization-aware", 3, 4)
    assert low_bit.hardware.weight_bits == 3
    assert low_bit.hardware.weight_range == "mean-square-error"
    assert low_bit.quantization.weight_noise == 0.05
    assert low_bit.augmentation == first.augmentation
    assert max(low_bit.optimizer.learning_rates) < max(first.optimizer.learning_rates)


def test_every_number_of_bits_can_have_epochs_of_its_own():
    settings = ExperimentSettings(weight_bits=(8, 3, 1.5), low_bit_epochs=(1, 6, 9))
    epochs = {bits: settings.low_bit_training(bits, "float.safetensors").epochs for bits in settings.weight_bits}
    assert epochs == {8: 1, 3: 6, 1.5: 9}
    assert settings.low_bit_training(3, "float.safetensors").average == 2


@pytest.mark.parametrize("epochs", [(), (0,), (1.5,), (1, 2)])
def test_epochs_that_fit_no_bits(epochs):
    with pytest.raises(SettingsError, match="one for each of the 3 numbers of bits"):
        ExperimentSettings(weight_bits=(8, 3, 1.5), low_bit_epochs=epochs)


@pytest.mark.parametrize("size", ["small", "medium", "paper"])
def test_every_size_has_a_recipe(size):
    assert ExperimentSettings(size=size).float_training().model is not None


def test_everything_wrong_is_said_at_once():
    with pytest.raises(SettingsError) as caught:
        ExperimentSettings(size="smal", chips=0, adc=("4-4",), weight_bits=(), beam=0, weight_range="abs-mx")
    for part in ("'small'", "chips", "'4-4'", "weight_bits", "beam", "weight_range must be one of 'abs-max'"):
        assert part in str(caught.value)


def test_bits_and_chips_that_cannot_be():
    with pytest.raises(SettingsError, match="weight_bits"):
        ExperimentSettings(weight_bits=(2.5,))
    with pytest.raises(SettingsError, match="papr"):
        ExperimentSettings(hardware=("papr",))
