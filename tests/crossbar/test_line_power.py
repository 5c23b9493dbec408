"""What drivers deliver, against sums over single cells."""

import numpy as np
import pytest
import torch
from torch import nn

import memrix
from memrix.crossbar.line_power import CodeCounts, delivered, states_of_lines
from memrix.device import CellCurrent

HARDWARE = memrix.Hardware(weight_bits=3, tile=memrix.Tile(3, 4), dac=memrix.DAC(bits=4, vmax=0.6))


def crossbar_of(hardware, inputs=4, outputs=4):
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(inputs, outputs, bias=False)
    layer.weight.data = torch.randint(-3, 4, (outputs, inputs), generator=generator).float()
    memrix.calibrate(layer, [torch.ones(64, inputs)], hardware)
    return memrix.program(layer, hardware).memrix.programmed.crossbar


def counted(crossbar, codes):
    counts = CodeCounts(crossbar)
    counts.add_(codes, 1, torch.ones(()))
    return counts


def test_one_layer_of_4_x_4_checked_by_hand():
    """U I(r, U) of every cell for every vector, one by one."""
    crossbar = crossbar_of(HARDWARE)
    codes = torch.tensor([[[8.0, -8.0, 3.0, 0.0], [1.0, 2.0, -5.0, 8.0]]])
    positive = (crossbar.total + crossbar.difference) / 2  # [row tiles, rows, planes * outputs]
    negative = (crossbar.total - crossbar.difference) / 2
    current = CellCurrent(crossbar.cell_parameters)
    power = magnitude = 0.0
    for vector in codes[0].tolist():
        for row, code in enumerate(vector):
            volts = code / 8 * 0.6
            for column in range(2 * 4):  # two bit slices of four outputs
                for cells in (positive, negative):
                    amperes = current.of(float(cells[row // 3, row % 3, column]), volts)
                    power += volts * amperes
                    magnitude += abs(amperes)
    found = delivered(crossbar, counted(crossbar, codes))
    assert found.power == pytest.approx(power, rel=1e-6)
    assert found.current == pytest.approx(magnitude, rel=1e-6)


def test_a_nominal_on_cell_at_full_voltage_takes_0_82_pj_in_10_ns():
    crossbar = crossbar_of(HARDWARE.replace(weight_bits=2, programming="ideal"), 1, 1)
    pair = delivered(crossbar, counted(crossbar, torch.full((1, 1, 1), 8.0))).power
    on, off = crossbar.nominal_states
    current = CellCurrent(crossbar.cell_parameters)
    weights = [0.6 * current.of(state, 0.6) for state in (on, off)]
    assert weights[0] * 10e-9 == pytest.approx(0.82e-12, rel=0.01)
    assert pair in (pytest.approx(sum(weights)), pytest.approx(2 * weights[1]))


def test_without_noise_the_sums_of_word_lines_are_kept():
    noisy, quiet = (crossbar_of(HARDWARE.replace(noise=noise)) for noise in ("physical", "off"))
    assert not quiet.total.numel()
    np.testing.assert_allclose(states_of_lines(quiet), states_of_lines(noisy), rtol=1e-6)
    np.testing.assert_allclose(states_of_lines(noisy), noisy.total.sum(-1).flatten()[:4].double().numpy(), rtol=1e-6)


def test_drift_acts_on_the_sums_of_word_lines():
    drift = memrix.Drift(exponent=0.1, seconds=1e6)
    noisy, quiet = (crossbar_of(HARDWARE.replace(noise=noise, drift=drift)) for noise in ("physical", "off"))
    assert (states_of_lines(quiet) > states_of_lines(crossbar_of(HARDWARE))).all()
    np.testing.assert_allclose(states_of_lines(quiet), states_of_lines(noisy), rtol=1e-6)


def test_temperature_acts_on_what_word_lines_draw():
    """Of one activation energy, currents of all cells grow by exp(-E / k (1 / T - 1 / 300 K)) at 0.2 V."""
    codes = torch.full((1, 1, 4), 8.0)
    cold = crossbar_of(HARDWARE.replace(**{"dac.vmax": 0.2}))
    activated = {"device.on_activation_energy": 0.05, "device.off_activation_energy": 0.05}
    hot = crossbar_of(HARDWARE.replace(**activated, **{"device.temperature": 400.0, "dac.vmax": 0.2}))
    powers = [delivered(crossbar, counted(crossbar, codes)).power for crossbar in (hot, cold)]
    assert powers[0] / powers[1] == pytest.approx(np.exp(0.05 / 8.617333e-5 * (1 / 300 - 1 / 400)), rel=1e-5)


def test_readings_that_switch_cells_change_the_sums_of_word_lines():
    disturbed = HARDWARE.replace(noise="off", **{"device.read_disturb": True})
    crossbar = crossbar_of(disturbed, 4, 64)
    noisy = crossbar_of(disturbed.replace(noise="physical"), 4, 64)
    before = states_of_lines(crossbar)
    for each in (crossbar, noisy):
        each(torch.full((1, 1, 1, 4), -8))
    assert (states_of_lines(crossbar) < before).any()
    np.testing.assert_allclose(states_of_lines(crossbar), states_of_lines(noisy), rtol=1e-5)


def test_behind_wires_a_switched_cell_changes_its_word_line_by_what_arrives():
    disturbed = HARDWARE.replace(**{"device.read_disturb": True})
    changes = []
    for ohms in (0.0, 3.0):
        crossbar = crossbar_of(disturbed.replace(wires=memrix.Wires(word_line_ohms=ohms)), 4, 64)
        before = states_of_lines(crossbar)
        crossbar(torch.full((1, 1, 1, 4), -8))
        changes.append(states_of_lines(crossbar) - before)
    perfect, wired = changes
    switched = perfect < -0.1
    assert switched.any()
    shares = wired[switched] / perfect[switched]
    assert ((shares > 0) & (shares < 1)).any()


@pytest.mark.parametrize("arrays", ["separate", "interleaved"])
def test_with_wires_cells_draw_their_current_at_the_voltage_that_arrives(arrays):
    """Exact with bit lines at ground, which wires of bit lines without resistance leave them at."""
    pytest.importorskip("scipy")
    from memrix.crossbar.nodal import NodalArray

    wires = memrix.Wires(word_line_ohms=20.0, driver_ohms=50.0, arrays=arrays)
    perfect, wired = (crossbar_of(HARDWARE.replace(wires=w)) for w in (memrix.Wires(), wires))
    parameters = perfect.cell_parameters
    low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
    both = torch.stack((perfect.total + perfect.difference, perfect.total - perfect.difference)).double() / 2
    conductances = (low - both * (low - high)).unflatten(-1, (2, 4)).numpy()  # [2, row tiles, rows, planes, outputs]
    drawn = np.zeros(4)
    for tile, rows in ((0, 3), (1, 1)):
        for plane in range(2):
            positive, negative = conductances[:, tile, :rows, plane]
            if arrays == "interleaved":
                parts = [np.stack((positive, negative), -1).reshape(rows, -1)]
            else:
                parts = [positive, negative]
            for part in parts:
                by_row = NodalArray(rows, part.shape[1], wires).currents(part, np.eye(rows)).sum(1)
                drawn[3 * tile : 3 * tile + rows] += by_row
    expected = 16 * low - states_of_lines(wired) * (low - high)
    np.testing.assert_allclose(expected, drawn, rtol=1e-5)
    assert (drawn < 16 * low - states_of_lines(perfect) * (low - high)).all()


def test_few_vectors_and_many_are_counted_alike():
    crossbar = crossbar_of(HARDWARE, 5, 3)
    codes = torch.randint(-8, 9, (1, 700, 5), generator=torch.Generator().manual_seed(1)).float()
    together = counted(crossbar, codes)
    apart = CodeCounts(crossbar)
    for vector in codes[0]:
        apart.add_(vector.view(1, 1, 5), 1, torch.ones(()))
    assert together.vectors == apart.vectors == 700
    assert torch.equal(together.counts, apart.counts)
    assert torch.equal(together.counts.sum(1), torch.full((5,), 700))
    assert int(together.counts[2, 8 + 3]) == int((codes[0, :, 2] == 3).sum())


def test_the_voltage_that_arrives_tells_what_drivers_deliver():
    """Against the nodal solution, with resistive bit lines too: an upper bound, close for inputs of either sign."""
    pytest.importorskip("scipy")
    from scipy.sparse.linalg import splu

    from memrix.crossbar.nodal import NodalArray

    generator = np.random.default_rng(0)
    size, wires = 48, memrix.Wires(ohms_per_cell=1.0)
    conductances = np.where(generator.random((size, size)) < 0.5, 228e-6, 19e-6)
    array = NodalArray(size, size, wires)
    system, unknown = (array._fixed + array._of_cells(conductances)).tocsr(), array._unknown
    voltages, _ = wires.shares(torch.from_numpy(conductances))
    seen = (voltages.numpy() * conductances).sum(1)
    signed = generator.normal(0, 0.1, (16, size))
    for volts, most in ((signed, 1.01), (np.full((1, size), 0.4), 1.1)):
        known = np.concatenate([volts, np.zeros((len(volts), 1))], axis=1).T
        inner = splu(system[:unknown, :unknown].tocsc()).solve(-(system[:unknown, unknown:] @ known))
        leaving = (system @ np.concatenate([inner, known]))[unknown : unknown + size]
        assert 1 <= (volts**2 @ seen).sum() / (leaving * volts.T).sum() < most
