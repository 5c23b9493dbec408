"""The same chip at later times: against programming at that time, against its laws, and in files."""

import copy

import pytest
import torch
from torch import nn

import memrix
from memrix import Drift, Hardware, Relaxation, TelegraphNoise, Wires
from memrix.errors import InputError, SettingsError, WriteError

HOUR, DAY = 3600.0, 86400.0
LAWS = {
    "drift": Drift(exponent=0.02, exponent_spread=0.01, log_loss=1e-3, log_spread=5e-4, spread=5e-3),
    "relaxation": Relaxation(share=0.02, time_constant=100.0),
    "telegraph": TelegraphNoise(share=0.01),
}
AGING = Hardware(weight_bits=3).replace(**LAWS)
KINDS = {
    "noisy": AGING,
    "quiet": AGING.replace(noise="off"),
    "relaxed": AGING.replace(relaxation=Relaxation(share=0.02)),
    "wired": AGING.replace(wires=Wires(ohms_per_cell=0.5)),
    "faulty": AGING.replace(**{"faults.stuck_on": 0.05}),
    "compensated": AGING.replace(
        programming="ideal", wires=Wires(ohms_per_cell=0.5), **{"programming.compensate_wires": True}
    ),
    "tuned": Hardware.preset("tuned").replace(weight_bits=3, programming="reset-set", **LAWS),
}


def network() -> tuple[nn.Module, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    model = nn.Sequential(nn.Linear(40, 24), nn.ReLU(), nn.Linear(24, 8))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model, [torch.randn(64, 40, generator=generator) for _ in range(2)]


def chip_of(hardware: Hardware) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    model, batches = network()
    memrix.calibrate(model, batches, hardware)
    return memrix.program(model, hardware, seed=3), model, batches[0]


def outputs(chip: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    memrix.reseed(chip, read=5)
    with torch.no_grad():
        return chip(batch)


@pytest.mark.parametrize("name", KINDS)
def test_an_aged_chip_is_the_one_programmed_that_long_ago(name):
    hardware = KINDS[name]
    chip, model, batch = chip_of(hardware)
    fresh = outputs(chip, batch)
    old = memrix.program(model, hardware.replace(**{"drift.seconds": DAY}), seed=3)
    expected = outputs(old, batch)
    assert torch.equal(outputs(memrix.age(chip, seconds=DAY), batch), expected)
    steps = memrix.age(memrix.age(chip, seconds=HOUR), seconds=DAY)
    assert torch.equal(outputs(steps, batch), expected)
    assert torch.equal(outputs(memrix.age(old, seconds=DAY), batch), expected)
    assert not torch.equal(expected, fresh)
    assert torch.equal(outputs(chip, batch), fresh)


@pytest.mark.parametrize("name", ["quiet", "wired", "tuned"])
def test_a_saved_chip_can_be_aged(name, tmp_path):
    chip, model, batch = chip_of(KINDS[name])
    for number, seconds in enumerate((HOUR, DAY)):
        memrix.save(chip, tmp_path / f"{number}.safetensors")
        loaded = memrix.load(tmp_path / f"{number}.safetensors", model)
        chip, loaded = (memrix.age(each, seconds=seconds) for each in (chip, loaded))
        assert torch.equal(outputs(loaded, batch), outputs(chip, batch))
        assert torch.equal(outputs(copy.deepcopy(chip), batch), outputs(chip, batch))


def test_a_state_dict_carries_the_cells_as_programmed():
    wired = KINDS["wired"]
    chip, model, batch = chip_of(wired)
    other = memrix.program(model, wired, seed=4)
    other.load_state_dict(chip.state_dict())
    assert torch.equal(outputs(memrix.age(other, seconds=DAY), batch), outputs(memrix.age(chip, seconds=DAY), batch))


def test_cells_as_programmed_are_kept_where_they_are_needed_alone():
    for name, kept in (("noisy", False), ("relaxed", False), ("quiet", True), ("wired", True)):
        chip, _, _ = chip_of(KINDS[name])
        held = chip[0].memrix.programmed.crossbar.as_programmed
        assert (held is not None) is kept
        assert memrix.age(chip, seconds=1.0)[0].memrix.programmed.crossbar.as_programmed is not None
    plain, _, _ = chip_of(Hardware(weight_bits=3, wires=Wires(ohms_per_cell=0.5)))
    assert plain[0].memrix.programmed.crossbar.as_programmed is None


def test_what_readings_have_switched_stays_switched():
    hardware = AGING.replace(noise="off", **{"dac.vmax": 0.75, "device.read_disturb": True})
    chip, _, batch = chip_of(hardware)
    untouched = outputs(memrix.age(chip, seconds=DAY), batch)
    outputs(chip, batch)
    aged = memrix.age(chip, seconds=DAY)
    assert memrix.summary(aged).read_sets > 0
    assert int(chip[0].memrix.programmed.crossbar.word_lines.seen.abs().sum()) > 0  # still to act: it is untouched
    assert not torch.equal(outputs(aged, batch), untouched)
    again = memrix.age(memrix.age(chip, seconds=HOUR), seconds=DAY)
    assert torch.equal(outputs(again, batch), outputs(memrix.age(chip, seconds=DAY), batch))


def test_what_readings_of_an_old_chip_switch_is_switched_in_the_cells_as_programmed():
    chip, _, batch = chip_of(AGING.replace(noise="off", **{"dac.vmax": 0.75, "device.read_disturb": True}))
    aged = memrix.age(chip, seconds=DAY)
    outputs(aged, batch)
    old, young = (each[0].memrix.programmed.crossbar for each in (aged, chip))
    old.settle_()
    lines, kept = old.word_lines, old.as_programmed
    states = (
        kept.total.view(-1)[lines.places // 2]
        + (1 - 2 * (lines.places % 2)) * kept.difference.view(-1)[lines.places // 2]
    ) / 2
    set_later = (lines.r == lines.features[2]) & (young.word_lines.set_threshold != -torch.inf)
    assert int(set_later.sum()) > 10
    torch.testing.assert_close(states[set_later], lines.r[set_later], rtol=0, atol=1e-5)


def test_recalibration_wins_back_what_a_common_loss_takes():
    """All cells lose a third of their conductance: gains of columns are 1.5 times those of before."""
    hardware = Hardware.preset("tuned").replace(weight_bits=4, drift=Drift(exponent=0.05), noise="off")
    model, batches = network()
    memrix.calibrate(model, batches, hardware)
    chip = memrix.program(model, hardware)
    seconds = 1.5**20  # ** 0.05 = 1.5
    aged = memrix.age(chip, seconds=seconds)
    visited = memrix.recalibrate(aged, batches)
    first, second = (each[0].memrix.programmed for each in (aged, visited))
    full_scale = [array.crossbar.circuit.adc.gain for array in (first, second)]
    gains = second.column_gain / first.column_gain
    assert float(gains.mean()) == pytest.approx(1.5, rel=0.02) or full_scale[0] != full_scale[1]
    with torch.no_grad():
        target = model(batches[0])
        errors = [float((each(batches[0]) - target).norm() / target.norm()) for each in (chip, aged, visited)]
    assert errors[1] > 0.3
    assert errors[2] < 1.2 * errors[0]


def test_recalibration_of_a_chip_as_programmed_changes_nothing():
    hardware = KINDS["tuned"].replace(noise="off")
    model, batches = network()
    memrix.calibrate(model, batches, hardware)
    chip = memrix.program(model, hardware)
    before = outputs(chip, batches[0])
    visited = memrix.recalibrate(chip, batches)
    assert memrix.summary(visited).conversions == memrix.summary(chip).conversions
    assert torch.equal(outputs(chip, batches[0]), before)
    # The first layer is given what it was calibrated on.
    assert torch.equal(visited[0](batches[0]), chip[0](batches[0]))


def test_readings_of_a_recalibration_switch_no_cell():
    hardware = KINDS["tuned"].replace(**{"dac.vmax": 0.75, "device.read_disturb": True})
    model, batches = network()
    memrix.calibrate(model, batches, hardware)
    visited = memrix.recalibrate(memrix.program(model, hardware), batches)
    memrix.age(visited, seconds=1.0)
    assert memrix.summary(visited).read_sets == 0
    assert int(visited[0].memrix.programmed.crossbar.word_lines.seen.abs().sum()) == 0


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), None, True])
def test_times_before_programming_are_refused(seconds):
    chip, _, _ = chip_of(AGING)
    with pytest.raises(SettingsError, match="seconds must be a number above 0 in s, got"):
        memrix.age(chip, seconds=seconds)


def test_time_goes_forwards():
    chip, _, _ = chip_of(AGING)
    day = memrix.age(chip, seconds=DAY)
    with pytest.raises(SettingsError, match=r"layer '0' is 86400 s old already, got 3600; give a later time"):
        memrix.age(day, seconds=HOUR)


def test_hardware_without_laws_does_not_age():
    chip, _, batch = chip_of(Hardware(weight_bits=3))
    with pytest.raises(
        SettingsError, match="nothing in the hardware of this chip changes with time; program it with"
    ):
        memrix.age(chip, seconds=DAY)
    with pytest.raises(SettingsError, match="nothing to fit; program it with column_calibration=True"):
        memrix.recalibrate(chip, [batch])


def test_recalibration_needs_the_weights_that_were_written():
    model, batches = network()
    memrix.calibrate(model, batches, KINDS["tuned"])
    chip = memrix.program(model, KINDS["tuned"])
    with torch.no_grad():
        chip[0].weight.mul_(2)
    with pytest.raises(WriteError, match=r"others than their cells were written from: 0; memrix\.write"):
        memrix.recalibrate(chip, batches)


def test_recalibration_names_the_layer_whose_inputs_are_not_finite():
    model, batches = network()
    memrix.calibrate(model, batches, KINDS["tuned"])
    chip = memrix.program(model, KINDS["tuned"])
    with pytest.raises(InputError, match=r"input of layer '0' holds NaN or infinite values"):
        memrix.recalibrate(chip, [batches[0] * float("nan")])


def test_a_recurrent_network_is_recalibrated_and_written():
    hardware = KINDS["tuned"]
    model, inputs = nn.LSTM(12, 8), torch.randn(6, 30, 12, generator=torch.Generator().manual_seed(2))
    memrix.calibrate(model, [inputs], hardware)
    chip = memrix.program(model, hardware)
    fitted = memrix.recalibrate(chip, [inputs])
    # As programmed, from nearly the same samples: states of the chip in place of those of the float network.
    torch.testing.assert_close(fitted(inputs)[0], chip(inputs)[0], rtol=0, atol=0.02)
    with torch.no_grad():
        for name, weight in chip.named_parameters():
            if "weight" in name:
                weight.mul_(0.5)
    assert len(memrix.write(chip, [inputs])) == 2
    assert chip(inputs)[0].isfinite().all()
