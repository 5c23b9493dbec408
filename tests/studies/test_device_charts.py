import re
from itertools import combinations

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.patches import StepPatch

from memrix.crossbar.protocols import PreCycled, ResetRamp, ResetSet, WriteVerify
from memrix.device import load_parameters
from memrix.device.parameters import HRS, LRS
from memrix.errors import DataError, SettingsError
from memrix.studies.device_behavior import Loops, current_voltage_loops, feature_history, typical_device
from memrix.studies.device_charts import (
    Population,
    draw_device,
    draw_features,
    draw_loops,
    draw_memory,
    draw_protocols,
)

PARAMETERS = load_parameters()
SIZES = {
    "iv_loops.png": (1950, 990),
    "features.png": (1650, 1140),
    "protocols.png": (1575, 1425),
    "memory.png": (1950, 990),
}


# Of so few devices, cells and pulses, charts are drawn in two seconds.
FEW = Population(
    loop_devices=2,
    loop_cycles=2,
    devices=20,
    cycles=40,
    cells=200,
    protocols={protocol.name: protocol for protocol in (ResetSet(), PreCycled(1), WriteVerify(), ResetRamp(0.05))},
)


def draw_few(folder, **settings):
    return draw_device(PARAMETERS, folder, population=FEW, **settings)


@pytest.fixture(scope="module")
def history() -> torch.Tensor:
    return feature_history(PARAMETERS, 200, 200, seed=1)


@pytest.fixture(scope="module")
def loops() -> Loops:
    return current_voltage_loops(PARAMETERS, 8, 3)


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What was said while the charts of ``folder`` were drawn."""
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory, told):
    folder = tmp_path_factory.mktemp("charts") / "of my" / "device"
    assert draw_few(folder, seed=1, progress=told.append) == [folder / name for name in SIZES]
    return folder


@pytest.mark.parametrize("name", SIZES)
def test_charts_of_readable_size_are_drawn(folder, name):
    image = imread(folder / name)
    assert image.shape[1::-1] == SIZES[name]
    # Ink, and not only of the axes.
    assert np.mean(image[..., :3].min(axis=-1) < 0.9) > 0.02


@pytest.mark.usefixtures("folder")
def test_progress_is_told(told):
    assert told == [
        "sweeping devices",
        "switching devices back and forth",
        "programming by reset-set",
        "programming by pre-cycled",
        "programming by write-verify",
        "programming by reset-ramp",
        "correlating cycles",
    ]


def draw_until(name, folder, seed):
    """Draw the charts before this one, whose place is taken."""
    (folder / name).mkdir()
    place = re.escape(str(folder / name))
    with pytest.raises(DataError, match=rf"{place} cannot be written \(Is a directory\); name another place"):
        draw_few(folder, seed=seed)


def test_the_same_seed_draws_the_same_chart(folder, tmp_path):
    draw_until("features.png", tmp_path, seed=1)
    assert np.array_equal(imread(folder / "iv_loops.png"), imread(tmp_path / "iv_loops.png"))


@pytest.mark.parametrize(
    "drawn",
    [("iv_loops.png",), pytest.param(("iv_loops.png", "features.png", "protocols.png"), marks=pytest.mark.slow)],
    ids=len,
)
def test_another_seed_draws_other_charts(folder, tmp_path, drawn):
    draw_until(list(SIZES)[len(drawn)], tmp_path, seed=2)
    for name in drawn:
        assert not np.array_equal(imread(folder / name), imread(tmp_path / name))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file/charts/iv_loops\.png cannot be written .*; name another place"):
        draw_few(tmp_path / "file" / "charts")


@pytest.mark.parametrize("seed", [-1, 1.5])
def test_a_seed_that_is_none_is_refused(tmp_path, seed):
    with pytest.raises(SettingsError, match=f"must be an integer from 0, got {seed}"):
        draw_device(PARAMETERS, tmp_path, seed=seed)
    assert list(tmp_path.iterdir()) == []


def rendered(figure):
    """The figure with all its places known."""
    figure.canvas = FigureCanvasAgg(figure)
    figure.canvas.draw()
    return figure


# Five levels, as of a ramp: ten thousand cells about each.
FIVE_LEVELS = torch.linspace(0.2, 0.8, 5)[:, None].double() + torch.linspace(-0.01, 0.01, 10_000).double()
CHARTS = {
    "loops": lambda loops, _: draw_loops(loops, PARAMETERS),
    "features": lambda _, history: draw_features(history, PARAMETERS),
    "protocols": lambda *_: draw_protocols({"two": FIVE_LEVELS[[0, 4]], "five": FIVE_LEVELS}, PARAMETERS),
    "memory": lambda _, history: draw_memory(history, PARAMETERS),
}


@pytest.mark.parametrize("chart", CHARTS)
def test_no_annotation_is_cut_off_or_covers_another(loops, history, chart):
    figure = rendered(CHARTS[chart](loops, history))
    assert "(synaptogen)" in figure.get_suptitle()
    page = figure.bbox
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
        boxes += [label.get_window_extent() for label in (axes.xaxis.label, axes.yaxis.label, axes.title)]
        for box in boxes:
            assert page.x0 <= box.x0 <= box.x1 <= page.x1
            assert page.y0 <= box.y0 <= box.y1 <= page.y1
        for one, other in combinations([box for box in boxes if box.width], 2):
            assert not one.overlaps(other)


def test_words_lie_above_the_peaks_of_features(history):
    for axes in rendered(draw_features(history, PARAMETERS)).axes:
        peak = max(float(max(patch.get_data().values)) for patch in axes.findobj(StepPatch))
        _, height = axes.transData.transform((axes.get_xlim()[0], peak))
        assert axes.texts[0].get_window_extent().y0 > height


def test_loops_are_drawn_in_microamperes_one_panel_a_device(loops):
    figure = draw_loops(loops, PARAMETERS)
    assert figure.get_suptitle() == "Current-voltage loops of 8 devices over 3 cycles (synaptogen)"
    panels = figure.axes[:8]
    assert [axes.get_title() for axes in panels] == [f"device {number}" for number in range(1, 9)]
    for number, axes in enumerate(panels):
        cycles = [line for line in axes.lines if len(line.get_xdata()) == len(loops.voltage)]
        for cycle, line in enumerate(cycles):
            np.testing.assert_array_equal(line.get_xdata(), loops.voltage)
            np.testing.assert_array_equal(line.get_ydata(), 1e6 * loops.current[cycle, :, number])
        assert len(cycles) == 3
        low, high = axes.get_ylim()
        assert low < 1e6 * loops.current.min() < 1e6 * loops.current.max() < high


def test_extremes_are_those_of_the_parameters(loops):
    axes = draw_loops(loops, PARAMETERS).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    for name, polynomial in (("$I_{LL}$", PARAMETERS.low_resistance), ("$I_{HH}$", PARAMETERS.high_resistance)):
        volts, current = lines[name].get_data()
        assert (volts[0], volts[-1]) == (-1.5, 1.5)
        np.testing.assert_allclose(current, 1e6 * np.polyval(polynomial, volts), atol=1e-9)


def test_set_is_written_beside_the_jumps_of_all_cycles(loops):
    axes = draw_loops(loops, PARAMETERS).axes[0]
    (place,) = [text.xy[0] for text in axes.texts if text.get_text() == "SET"]
    leg = len(loops.voltage) // 4
    steps = loops.current[:, : leg + 1, 0].diff(dim=1)
    after_jump = [float(loops.voltage[1:][int(cycle.abs().argmax())]) for cycle in steps]
    assert place == min(after_jump)


@pytest.mark.parametrize("devices", [3, 5])
def test_every_column_ends_in_a_panel_with_its_voltages(devices):
    figure = rendered(draw_loops(current_voltage_loops(PARAMETERS, devices, 1, points=11), PARAMETERS))
    shown = [axes for axes in figure.axes[:8] if axes.get_visible()]
    assert len(shown) == devices
    for axes in shown[-4:]:
        assert axes.get_xlabel() == "voltage (V)"
        assert "1" in [label.get_text() for label in axes.get_xticklabels() if label.get_visible()]


def test_a_loop_of_its_corners_alone_can_be_drawn():
    figure = draw_loops(current_voltage_loops(PARAMETERS, 1, 1, points=2), PARAMETERS)
    assert figure.axes[0].get_title() == "device 1"


# Three devices a step apart, cycles half a step above and below the mean of each.
STEPS = torch.tensor([0.1, 0.1, 100.0, 0.1])
DEVICES, CYCLES = torch.tensor([-1.0, 0.0, 1.0])[:, None], torch.tensor([-0.5, 0.5])
HANDMADE = torch.tensor([4.9, -0.6, 4500.0, 0.7])[:, None, None] + STEPS[:, None, None] * (DEVICES + CYCLES)


def test_features_are_shown_with_deviations_in_readable_units():
    """Between devices one step, between cycles one over the root of two."""
    figure = draw_features(HANDMADE, PARAMETERS)
    assert [axes.texts[0].get_text() for axes in figure.axes] == [
        "σ from cycle to cycle 0.071 decades\nσ from device to device 0.100 decades",
        "σ from cycle to cycle 71 mV\nσ from device to device 100 mV",
        "σ from cycle to cycle 71 Ω\nσ from device to device 100 Ω",
        "σ from cycle to cycle 71 mV\nσ from device to device 100 mV",
    ]
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "OFF resistance (kΩ)",
        "SET voltage (V)",
        "ON resistance (kΩ)",
        "RESET voltage (V)",
    ]


def test_an_axis_shows_resistances_in_kiloohm():
    """From 10**4.75 to 10**5.05 ohm, and from 4350 to 4650 ohm."""
    axes = draw_features(HANDMADE, PARAMETERS).axes
    assert axes[HRS].get_xlim() == pytest.approx((56.2, 112.2), abs=0.1)
    assert axes[LRS].get_xlim() == pytest.approx((4.35, 4.65))


def test_densities_are_those_of_shares_that_add_up_to_one():
    for feature, axes in enumerate(draw_features(HANDMADE, PARAMETERS).axes):
        for patch in axes.findobj(StepPatch):
            density, edges, _ = patch.get_data()
            places = np.log10(edges) if feature == HRS else np.asarray(edges)
            assert float(np.sum(np.asarray(density) * np.diff(places))) == pytest.approx(1)


def test_a_feature_that_does_not_vary_has_a_place():
    figure = draw_features(HANDMADE[:, 1:2, :1].expand(4, 3, 4), PARAMETERS)
    assert figure.axes[1].get_xlim() == pytest.approx((-1.15, -0.15))


# Half of the cells a tenth below, half a tenth above.
ABOUT = torch.tensor([-0.1, 0.1], dtype=torch.float64).repeat(5000)


def test_protocols_show_levels_with_the_deviation_of_their_cells():
    levels = {
        "two": torch.stack([0.2 + ABOUT, 1 + ABOUT]),
        "five": torch.stack([0.2 * n + ABOUT for n in range(1, 6)]),
    }
    two, five = draw_protocols(levels, PARAMETERS).axes
    assert (two.get_title(loc="left"), five.get_title(loc="left")) == ("two", "five")
    assert [text.get_text() for text in two.texts] == ["OFF\nσ = 0.100", "ON\nσ = 0.100"]
    assert [text.get_text().split("\n")[0] for text in five.texts] == ["OFF", "25 %", "50 %", "75 %", "ON"]
    assert "(10,000 cells at each level, bins of 0.0025)" in five.get_xlabel()


def test_every_cell_is_in_a_bin():
    axes = draw_protocols({"two": torch.stack([0.2 + ABOUT, 1 + ABOUT])}, PARAMETERS).axes[0]
    assert axes.get_xlim() == pytest.approx((0, 1.1))
    counts = [patch.get_data().values for patch in axes.findobj(StepPatch)]
    # Two for each level: a surface and its outline.
    assert [int(count.sum()) for count in counts] == [10_000] * 4
    assert [int((count > 0).sum()) for count in counts] == [2] * 4


def test_a_memory_begins_with_itself(history):
    figure = draw_memory(history, PARAMETERS)
    for axes in figure.axes[4:]:
        lags, correlation = axes.lines[-1].get_data()
        assert list(lags) == list(range(11))
        assert correlation[0] == 1
        assert 0 < correlation[10] < correlation[1] < 1


def test_the_cycles_of_a_typical_device_are_shown(history):
    figure = draw_memory(history, PARAMETERS)
    shown = [axes.lines[0].get_ydata() for axes in figure.axes[:4]]
    typical = history[:, typical_device(history)]
    np.testing.assert_allclose(shown[0], 10 ** typical[0] / 1000, rtol=1e-6)
    np.testing.assert_allclose(shown[2], typical[2] / 1000, rtol=1e-6)
    np.testing.assert_array_equal(shown[3], typical[3])


def test_too_few_cycles_for_a_memory_are_refused():
    with pytest.raises(DataError, match="below the 10 steps of the series, got 10"):
        draw_memory(torch.rand(4, 3, 10, generator=torch.Generator().manual_seed(0)), PARAMETERS)
