"""Low-bit recognizers keep their integers on any chip."""

from types import SimpleNamespace

from memrix import Hardware
from memrix.asr.chips import as_trained


def trained(**settings: object) -> SimpleNamespace:
    return SimpleNamespace(description={"hardware": Hardware(**settings).to_dict()})


def test_a_chip_of_other_weights_holds_those_of_the_training():
    model = trained(weight_range="mean-square-error", weight_scale="per-tensor")
    assert as_trained(model, Hardware(noise="off")) == Hardware(
        weight_range="mean-square-error", weight_scale="per-tensor", noise="off"
    )


def test_layers_keep_the_bits_that_they_were_trained_with_and_have_the_converters_of_the_chip():
    model = trained(layers={"*.up": {"weight_bits": 3, "adc.range_bits": 2}, "head": "digital"})
    chip = Hardware(layers={"*.up": {"weight_bits": 8, "adc.range_bits": 7}, "*.position": {"adc.precision_bits": 1}})
    on_chip = as_trained(model, chip)
    assert on_chip.of_layers("*.up") == Hardware(weight_bits=3).replace(**{"adc.range_bits": 7})
    assert on_chip.of_layers("*.position") == Hardware().replace(**{"adc.precision_bits": 1})
    assert on_chip.of_layers("head") is None
