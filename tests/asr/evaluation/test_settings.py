import pytest

from memrix.asr.evaluation.records import Execution
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.errors import SettingsError
from memrix.hardware import Hardware


def settings(**changes):
    return EvaluationSettings("model", "corpus", **{"hardware": ("paper",), **changes})


def test_executions_go_from_float_over_bits_and_hardware_to_chips():
    assert settings(weight_bits=(8, 4), hardware=("paper", "tuned"), chips=2).executions == (
        Execution("float"),
        Execution("quantized", 8),
        *(Execution("chip", 8, chip, name) for name in ("paper", "tuned") for chip in (0, 1)),
        Execution("quantized", 4),
        *(Execution("chip", 4, chip, name) for name in ("paper", "tuned") for chip in (0, 1)),
    )


def test_every_adc_meets_every_pre_cycling_on_every_chip():
    variants = settings(hardware=("paper", "tuned"), adc=("4/4", "8/6"), pre_cycles=(1, 10)).variants(3)
    assert len(variants) == 2 * 2 * 2
    assert "tuned, ADC 4/4, 1 pre-cycle" in variants
    chip = variants["paper, ADC 8/6, 10 pre-cycles"]
    assert (chip.adc.precision_bits, chip.adc.range_bits, chip.weight_bits) == (8, 6, 3)
    assert (chip.programming.name, chip.programming.cycles) == ("pre-cycled", 10)


def test_hardware_may_be_an_object_and_ternary_weights_are_known():
    (name,) = settings(hardware=Hardware.preset("tuned"), weight_bits=(1.5,)).variants(1.5)
    assert name == "custom"


@pytest.mark.parametrize("bits", [(), (8, 1), (8, 2.5), ("8",), (8, 4, 8), (65,)])
def test_bits_that_no_weight_has_are_refused_at_once(bits):
    with pytest.raises(SettingsError, match="weight_bits"):
        settings(weight_bits=bits)


@pytest.mark.parametrize("name", ["chips", "limit", "calibration_clips", "batch_size", "beam"])
@pytest.mark.parametrize("count", [0, -3, 2.0])
def test_counts_are_at_least_one(name, count):
    with pytest.raises(SettingsError, match=f"{name} must be a whole number from 1 on"):
        settings(**{name: count})


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_the_longest_clip_lasts_some_time(seconds):
    with pytest.raises(SettingsError, match="longest_clip must be a number of seconds above 0"):
        settings(longest_clip=seconds)


def test_everything_wrong_is_said_at_once():
    with pytest.raises(SettingsError) as caught:
        settings(seed=-1, adc=("44",), hardware=(), chips=0)
    for part in ("seed must be a whole number from 0", "such as 4/4, got '44'", "at least one chip", "chips must be"):
        assert part in str(caught.value)


def test_pairs_of_bits_and_file_are_known_from_before():
    with pytest.warns(DeprecationWarning, match="bits:file"):
        assert settings(weight_bits=(3, 1.5), low_bit=((1.5, "a"), (3, "b"))).low_bit_files == {1.5: "a", 3: "b"}


@pytest.mark.parametrize("low_bit", [("a.safetensors",), ("3:",), ("3:a", "3:b"), ("x:a",)])
def test_files_are_named_by_their_bits(low_bit):
    with pytest.raises(SettingsError, match="low_bit takes bits:file"):
        settings(weight_bits=(3,), low_bit=low_bit)
    with pytest.raises(SettingsError, match=r"recognizers of 3 bits, and weight_bits are \(8,\)"):
        settings(weight_bits=(8,), low_bit=("3:a",))
