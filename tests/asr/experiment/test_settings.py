import pytest

from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.models.settings import Seq2SeqSettings
from memrix.errors import SettingsError


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


def test_a_pretrained_model_is_trained_by_the_recipes_of_whisper():
    settings = ExperimentSettings(model="whisper-tiny.en", weight_bits=(3,), hardware=("tuned",), corpus="mine")
    first, low_bit = settings.float_training(), settings.low_bit_training(3, "float.safetensors")
    assert first.model == low_bit.model == Seq2SeqSettings(checkpoint="whisper-tiny.en")
    assert (first.method, low_bit.method, low_bit.start) == ("float", "quantization-aware", "float.safetensors")
    assert (low_bit.hardware.weight_bits, low_bit.hardware.weight_range) == (3, "mean-square-error")
    assert low_bit.distillation.has_teacher
    assert (low_bit.epochs, low_bit.corpus) == (6, "mine")
    assert low_bit.quantization.learned_steps


def test_a_file_of_settings_says_what_is_trained(tmp_path):
    (tmp_path / "mine.toml").write_text('model = {preset = "small", width = 24}\nepochs = 3\n')
    settings = ExperimentSettings(model=str(tmp_path / "mine.toml"), seed=9)
    training = settings.float_training()
    assert (training.model.width, training.epochs, training.seed) == (24, 3, 9)


def test_every_number_of_bits_can_have_epochs_of_its_own():
    settings = ExperimentSettings(weight_bits=(8, 3, 1.5), low_bit_epochs=(1, 6, 9))
    epochs = {bits: settings.low_bit_training(bits, "float.safetensors").epochs for bits in settings.weight_bits}
    assert epochs == {8: 1, 3: 6, 1.5: 9}
    assert settings.low_bit_training(3, "float.safetensors").average == 2
    assert ExperimentSettings().low_bit_training(3, "float.safetensors").epochs == 10


@pytest.mark.parametrize("epochs", [(0,), (1.5,), (1, 2)])
def test_epochs_that_fit_no_bits(epochs):
    with pytest.raises(SettingsError, match="one for each of the 3 numbers of bits"):
        ExperimentSettings(weight_bits=(8, 3, 1.5), low_bit_epochs=epochs)


@pytest.mark.parametrize("model", ["small", "medium", "paper"])
def test_every_size_has_a_recipe(model):
    assert ExperimentSettings(model=model).float_training().model is not None


def test_the_evaluation_has_the_same_settings():
    settings = ExperimentSettings(hardware=("paper", "tuned"), adc=("4/4",), limit=5, seed=3, weight_bits=(4, 3))
    found = settings.evaluation("float.safetensors", {3: "low-bit.safetensors"})
    assert type(found) is EvaluationSettings
    assert (found.model, found.low_bit) == ("float.safetensors", ("3:low-bit.safetensors",))
    assert found.executions == settings.executions
    assert (found.limit, found.seed, found.corpus) == (5, 3, "queen")


def test_everything_wrong_is_said_at_once():
    with pytest.raises(SettingsError) as caught:
        ExperimentSettings(chips=0, adc=("4-4",), weight_bits=(), beam=0, epochs=0)
    for part in ("chips", "'4-4'", "weight_bits", "beam", "epochs"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "smal"}, "did you mean 'small'"),
        ({"weight_bits": (2.5,)}, "weight_bits"),
        ({"hardware": ("papr",)}, "papr"),
        ({"weight_range": "abs-mx"}, "weight_range must be one of 'abs-max'"),
    ],
)
def test_what_cannot_be_is_named(given, message):
    with pytest.raises(SettingsError, match=message):
        ExperimentSettings(**given)
