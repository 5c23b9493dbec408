import pytest

from memrix.asr.evaluation.results import Execution
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.errors import DataError, SettingsError
from memrix.hardware import Hardware


def settings(**changes):
    return EvaluationSettings("model", "corpus", Hardware.preset("paper"), **changes)


def test_executions_go_from_float_over_bits_to_chips():
    assert settings(weight_bits=(8, 4), chips=2).executions == (
        Execution("float"),
        Execution("quantized", 8),
        Execution("chip", 8, 0),
        Execution("chip", 8, 1),
        Execution("quantized", 4),
        Execution("chip", 4, 0),
        Execution("chip", 4, 1),
    )


@pytest.mark.parametrize("bits", [(), (8, 1), (8, 2.5), (True,), ("8",)])
def test_weight_bits_are_whole_numbers_from_two(bits):
    with pytest.raises(SettingsError, match="whole numbers of at least 2"):
        settings(weight_bits=bits)


def test_weight_bits_given_twice_are_refused():
    with pytest.raises(SettingsError, match=r"twice in \(8, 4, 8\)"):
        settings(weight_bits=(8, 4, 8))


def test_weight_bits_beyond_the_chip_are_refused_at_once():
    with pytest.raises(SettingsError, match="64"):
        settings(weight_bits=(64,))


@pytest.mark.parametrize("chips", [0, -1, 1.5])
def test_there_is_at_least_one_chip(chips):
    with pytest.raises(SettingsError, match="chips is a whole number of at least 1"):
        settings(chips=chips)


@pytest.mark.parametrize("name", ["limit", "calibration_clips", "batch_size"])
@pytest.mark.parametrize("count", [0, -3, 2.0])
def test_counts_are_at_least_one(name, count):
    with pytest.raises(DataError, match=f"{name} is a whole number of at least 1"):
        settings(**{name: count})


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_the_longest_clip_lasts_some_time(seconds):
    with pytest.raises(DataError, match="longest_clip is a number of seconds above 0"):
        settings(longest_clip=seconds)


def test_a_negative_seed_is_refused():
    with pytest.raises(DataError, match="seed is a whole number of at least 0, got -1"):
        settings(seed=-1)
