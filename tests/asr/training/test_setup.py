"""What a training starts from, and what becomes of it before the first step."""

import pytest
import torch

from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.training.loop import train
from memrix.asr.training.settings import TrainingSettings
from memrix.asr.training.setup import prepare_training
from memrix.errors import CheckpointError
from memrix.hardware import Hardware
from memrix.nn.keys import LEARNED_RANGE, LEARNED_WEIGHT_STEP, OUTPUT_RANGE, RANGE, SAMPLE
from memrix.nn.quantized import QuantizedLayer
from tests.asr.tones import tone_corpus, tone_settings

FOUR_BITS = {"preset": "paper", "weight_bits": 4}
LOW_BIT = {"method": "quantization-aware", "hardware": FOUR_BITS}
LEARNED = {"learned_steps": True}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), train=12, held_out=3).folder


@pytest.fixture(scope="module")
def training_of(corpus, tmp_path_factory):
    """The file of a training of one epoch."""

    def trained(**changes):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)
            table = tone_settings(corpus, epochs=1, average=1, **changes)
            return str(train(TrainingSettings.from_dict(table), tmp_path_factory.mktemp("run")))

    return trained


@pytest.fixture(scope="module")
def floating(training_of):
    return training_of()


@pytest.fixture(scope="module")
def low_bit(training_of, floating):
    return training_of(start=floating, **LOW_BIT)


@pytest.fixture(scope="module")
def learned(training_of, floating):
    return training_of(start=floating, quantization=LEARNED, **LOW_BIT)


def prepared(corpus, **changes):
    return prepare_training(TrainingSettings.from_dict(tone_settings(corpus, **changes))).recognizer


def quantized_layers(recognizer):
    return {name: layer for name, layer in recognizer.network.named_modules() if isinstance(layer, QuantizedLayer)}


def scales(recognizer, *names):
    """Ranges and steps of all layers, by layer and name."""
    state = recognizer.network.state_dict()
    return {name: value for name, value in state.items() if name.rpartition(".")[2] in names}


def assert_kept(recognizer, start, *names):
    here, there = scales(recognizer, *names), scales(load_recognizer(start)[0], *names)
    assert here.keys() == there.keys()
    assert here
    for name, value in here.items():
        torch.testing.assert_close(value, there[name], rtol=0, atol=0, msg=name)


def test_device_resampling_starts_from_low_bit_weights(corpus, low_bit):
    hardware = {"preset": "tuned", "weight_bits": 4}
    recognizer = prepared(corpus, start=low_bit, method="hardware-aware", hardware=hardware)
    assert recognizer.description["quantization"]["device_resampling"]
    assert recognizer.description["hardware"] == Hardware.preset("tuned").replace(weight_bits=4).to_dict()
    assert all(layer.memrix.training_forward is not None for layer in quantized_layers(recognizer).values())
    assert all(getattr(layer.memrix, SAMPLE).numel() for layer in quantized_layers(recognizer).values())
    assert_kept(recognizer, low_bit, RANGE, OUTPUT_RANGE)


def test_noise_and_other_bits_start_from_low_bit_weights(corpus, low_bit):
    changes = {**LOW_BIT, "hardware": {**FOUR_BITS, "weight_bits": 3}, "quantization": {"weight_noise": 0.05}}
    recognizer = prepared(corpus, start=low_bit, **changes)
    assert recognizer.description["quantization"]["weight_noise"] == 0.05
    assert recognizer.description["hardware"]["weight_bits"] == 3
    for layer in quantized_layers(recognizer).values():
        assert (layer.memrix.hardware.weight_bits, layer.memrix.quantization.weight_noise) == (3, 0.05)
    assert_kept(recognizer, low_bit, RANGE, OUTPUT_RANGE)


def test_a_training_with_device_resampling_goes_on_from_low_bit_weights(training_of, low_bit):
    result, training = load_recognizer(training_of(start=low_bit, method="hardware-aware", hardware=FOUR_BITS))
    assert training["settings"]["method"] == "hardware-aware"
    assert result.description["quantization"]["device_resampling"]


def test_steps_are_learned_from_a_float_recognizer(learned):
    recognizer, _ = load_recognizer(learned)
    found = scales(recognizer, LEARNED_RANGE, LEARNED_WEIGHT_STEP)
    assert found
    assert all(value.isfinite().all() for value in found.values())


def test_learned_steps_are_kept_for_the_same_bits(corpus, learned):
    recognizer = prepared(corpus, start=learned, quantization={**LEARNED, "weight_noise": 0.05}, **LOW_BIT)
    assert_kept(recognizer, learned, LEARNED_RANGE, LEARNED_WEIGHT_STEP)


@pytest.mark.parametrize("quantization", [{}, LEARNED])
def test_learned_ranges_outlast_the_steps(corpus, learned, quantization):
    changes = {**LOW_BIT, "hardware": {**FOUR_BITS, "weight_bits": 3}, "quantization": quantization}
    recognizer = prepared(corpus, start=learned, **changes)
    known = scales(load_recognizer(learned)[0], LEARNED_RANGE)
    assert known
    for name, value in known.items():
        state = quantized_layers(recognizer)[name.removesuffix(f".memrix.{LEARNED_RANGE}")].memrix
        torch.testing.assert_close(state.input_range, value.abs(), rtol=0, atol=0)
        assert torch.equal(state.activation_step * state.hardware.dac.largest_code, value.abs())
        assert (state.learned_weight_step is not None) == bool(quantization)


def test_outputs_without_ranges_need_an_observer(corpus, training_of, floating):
    start = training_of(start=floating, quantization={"output_quantizers": False}, **LOW_BIT)
    with pytest.raises(CheckpointError, match=r"outputs have no ranges.*output_quantizers"):
        prepared(corpus, start=start, quantization={"observer": "fixed"}, **LOW_BIT)
    recognizer = prepared(corpus, start=start, **LOW_BIT)
    assert_kept(recognizer, start, RANGE)


def test_float_starts_from_float(corpus, low_bit):
    with pytest.raises(CheckpointError, match="its weights are quantized"):
        prepared(corpus, start=low_bit)
