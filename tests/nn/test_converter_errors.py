"""Chips whose converters have errors: what columns that are calibrated take away of them, in files and in graphs."""

import pytest
import torch
from torch import nn

import memrix
from memrix import Hardware, Seeds
from tests.nn.ideal import seeded

IDEAL = Hardware.preset("ideal").replace(weight_bits=1.5, **{"adc.precision_bits": 4, "adc.range_bits": 4})
FINE = {"adc.precision_bits": 12, "adc.range_bits": 12}
MISMATCH = {"adc.offset_error": 2.0, "adc.gain_error": 0.03}
CAPACITORS = {"adc.capacitor_mismatch": 0.05}
ALL = IDEAL.replace(weight_bits=3, **MISMATCH, **CAPACITORS, **{"adc.noise": 0.5, "adc.columns_per_converter": 8})


def layer() -> nn.Linear:
    return seeded(0, lambda: nn.Linear(128, 128))


def inputs(seed: int, count: int = 64) -> torch.Tensor:
    return torch.randn(count, 128, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def calibrated() -> nn.Linear:
    model = layer()
    memrix.calibrate(model, [inputs(seed) for seed in range(1, 9)], IDEAL.replace(column_calibration=True))
    return model


@torch.no_grad()
def output_error(model: nn.Module, errors: dict[str, float], *, corrected: bool) -> float:
    """Relative change of the output by converters of 8 bits, against one of 24 bits without errors."""
    unseen, total = inputs(9, 256), 0.0
    plain = IDEAL.replace(column_calibration=corrected)
    expected = memrix.program(model, plain.replace(**FINE))(unseen)
    for seed in range(3):
        output = memrix.program(model, plain.replace(**errors), seed=Seeds(chip=seed))(unseen)
        total += float((output - expected).norm() / expected.norm())
    return total / 3


def test_calibrated_columns_take_offset_and_gain_away_again(calibrated):
    """Down to the rounding of an ideal converter, 0.9 % of the output here."""
    ideal = output_error(calibrated, {}, corrected=True)
    assert ideal < 0.01
    for errors, least in (({"adc.offset_error": 2.0}, 0.05), ({"adc.gain_error": 0.03}, 0.025), (MISMATCH, 0.06)):
        assert output_error(calibrated, errors, corrected=False) > least
        assert output_error(calibrated, errors, corrected=True) < 1.05 * ideal


def test_calibrated_columns_leave_the_non_linearity(calibrated):
    ideal, before, after = (
        output_error(calibrated, errors, corrected=corrected)
        for errors, corrected in (({}, True), (CAPACITORS, False), (CAPACITORS, True))
    )
    assert after > 1.2 * ideal
    assert before > after > 0.8 * before


def chip(seed: int = 0, hardware: Hardware = ALL) -> nn.Module:
    model = seeded(0, lambda: nn.Sequential(nn.Linear(40, 20), nn.ReLU(), nn.Linear(20, 6)))
    memrix.calibrate(model, [torch.randn(32, 40, generator=torch.Generator().manual_seed(1))], hardware)
    return memrix.program(model, hardware, seed=seed)


SOME = torch.randn(10, 40, generator=torch.Generator().manual_seed(2))


def test_the_seed_of_the_chip_alone_says_what_its_converters_are():
    plain = chip(hardware=ALL.replace(**{"adc.noise": 0.0}))(SOME)
    quiet = ALL.replace(**{"adc.noise": 0.0})
    assert torch.equal(chip(Seeds(0, 5, 5), quiet)(SOME), plain)
    assert not torch.equal(chip(Seeds(1, 0, 0), quiet)(SOME), plain)
    assert not torch.equal(chip(Seeds(0, 0, 0))(SOME), chip(Seeds(0, 0, 1))(SOME))


def test_a_saved_chip_has_its_converters_again(tmp_path):
    made = chip(3)
    memrix.save(made, tmp_path / "chip.safetensors")
    model = nn.Sequential(nn.Linear(40, 20), nn.ReLU(), nn.Linear(20, 6))
    loaded = memrix.load(tmp_path / "chip.safetensors", model)
    assert torch.equal(loaded(SOME), made(SOME))
    assert torch.equal(loaded[0].memrix.array.crossbar.adc_errors, made[0].memrix.array.crossbar.adc_errors)


def test_a_state_dict_brings_its_converters():
    made, other = chip(3), chip(4)
    other.load_state_dict(made.state_dict())
    assert torch.equal(other(SOME), made(SOME))
    assert not any("errors" in key for key in made.state_dict())


def test_weights_that_are_written_again_meet_the_same_converters():
    made = chip()
    before = made[0].memrix.array.crossbar.adc_errors.clone()
    with torch.no_grad():
        made[0].weight.mul_(0.5)
    memrix.write(made)
    assert torch.equal(made[0].memrix.array.crossbar.adc_errors, before)


@pytest.mark.slow
def test_graphs_read_through_the_same_converters():
    expected = [chip()(SOME)]
    compiled = torch.compile(chip(), fullgraph=True, backend="aot_eager")
    exported = torch.export.export(chip(), (SOME,)).module()
    for graph in (compiled, exported):
        assert torch.equal(graph(SOME), expected[0])


def test_gradients_pass_straight_through_the_converters():
    given = [SOME.clone().requires_grad_() for _ in range(2)]
    for hardware, x in zip((ALL, ALL.replace(**{"adc.noise": 0.0})), given, strict=True):
        chip(hardware=hardware)(x).sum().backward()
    assert given[0].grad is not None
    assert bool(given[0].grad.isfinite().all())
    torch.testing.assert_close(given[0].grad, given[1].grad, rtol=0, atol=0.2)


@pytest.mark.parametrize("errors", [{}, {"adc.noise": 0.5, "adc.offset_error": 2.0}], ids=["ideal", "errors"])
def test_inputs_bit_by_bit_are_those_of_the_quantized_layer(errors):
    hardware = IDEAL.replace(weight_bits=4, **FINE, **errors, **{"dac.inputs": "bit-serial"})
    made, model = chip(hardware=hardware), seeded(0, lambda: nn.Linear(40, 20))
    memrix.calibrate(model, [SOME], hardware)
    programmed = memrix.program(model, hardware)(SOME)
    memrix.quantize(model, hardware)
    torch.testing.assert_close(programmed, model(SOME), rtol=0, atol=0.01 if errors else 2e-3)
    assert torch.equal(chip(hardware=hardware)(SOME), made(SOME))
