"""The error of a standard layer by cause."""

from __future__ import annotations

import pytest

from memrix import ADC, Hardware, SettingsError, Wires, calibrate, program
from memrix.studies.causes import CAUSES, alone, required, with_causes, without_errors
from memrix.studies.layer_causes import study_causes
from memrix.studies.standard_layer import StandardLayer, output_error, output_of

SMALL = StandardLayer(inputs=32, outputs=16, vectors=128, chips=1)


def errors_of(hardware: Hardware) -> dict[str, float]:
    return {row.cause: row.error for row in study_causes(hardware, SMALL).rows}


def test_a_chip_without_errors_has_only_those_of_quantization() -> None:
    found = errors_of(without_errors(Hardware.preset("tuned")))
    assert set(found) == {"weight quantization", "activation quantization", "all together"}
    assert found["all together"] < 1e-6
    assert found["weight quantization"] > found["activation quantization"] > 1e-3


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_a_cause_takes_nothing_but_its_settings(cause) -> None:
    hardware = Hardware.preset("paper").replace(wires=Wires(ohms_per_cell=0.35), **{"faults.stuck_on": 0.01})
    only = alone(hardware, cause)
    settings = [name for each in (cause, *required(cause)) for name in each.settings]
    rest = only.replace(**{name: _of(without_errors(hardware), name) for name in settings})
    assert rest == without_errors(hardware)
    assert all(_of(only, name) == _of(hardware, name) for name in settings)


@pytest.mark.parametrize("preset", ["physical", "paper", "realistic", "tuned", "ideal"])
def test_all_causes_together_are_the_chip(preset: str) -> None:
    everything = {"faults.stuck_on": 0.01, "device.on_activation_energy": 0.1, "device.temperature": 350.0}
    hardware = Hardware.preset(preset).replace(**everything, **{"adc.per_layer": False})
    assert with_causes(hardware, CAUSES) == hardware
    assert with_causes(hardware, ()) == without_errors(hardware)


def test_what_does_not_exist_alone_acts_with_what_it_requires() -> None:
    (mismatch,) = (cause for cause in CAUSES if cause.name == "converter mismatch")
    assert mismatch.said == "converter mismatch, with ADC resolution and ADC clipping"
    with pytest.raises(ValueError, match="does not act without ADC resolution, ADC clipping"):
        with_causes(Hardware.preset("realistic"), [mismatch])


def test_causes_that_the_chip_does_not_have_are_left_out_and_others_cost_more_the_more_there_is_of_them() -> None:
    hardware = Hardware.preset("physical").replace(adc=ADC(precision_bits=4, range_bits=4))
    found = errors_of(hardware)
    assert "wires" not in found
    assert "stuck cells" not in found
    more = errors_of(hardware.replace(wires=Wires(ohms_per_cell=1.0), **{"adc.precision_bits": 2}))
    assert more["wires"] > 0.01
    assert more["ADC resolution"] == pytest.approx(4 * found["ADC resolution"], rel=0.3)
    assert more["programming"] == found["programming"]


def test_a_gain_for_each_column_takes_most_of_what_wires_cost_away() -> None:
    wires = Hardware.preset("physical").replace(wires=Wires(ohms_per_cell=2.0))
    (row,) = (row for row in study_causes(wires, SMALL).rows if row.cause == "wires")
    assert row.corrected is not None
    assert row.corrected < row.error / 2


def test_wires_that_cells_are_programmed_for_cost_next_to_nothing_alone() -> None:
    chip = Hardware.preset("tuned").replace(wires=Wires(ohms_per_cell=2.0), **{"programming.compensate_wires": True})
    (wires,) = (cause for cause in CAUSES if cause.name == "wires")
    assert alone(chip, wires).compensates_wires
    assert alone(chip, wires).programming.name == "ideal"
    model, vectors = SMALL.made()
    calibrate(model, [vectors], chip)
    exact, wired = (output_of(program(model, each), vectors) for each in (without_errors(chip), alone(chip, wires)))
    assert output_error(wired, exact) < 1e-3


def test_a_layer_that_tells_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="vectors must be"):
        StandardLayer(vectors=1)


def _of(hardware: Hardware, name: str) -> object:
    part, _, setting = name.partition(".")
    value = getattr(hardware, part)
    return getattr(value, setting) if setting else value
