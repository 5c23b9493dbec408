"""Monte Carlo over chips: what it measures, and when it stops."""

from __future__ import annotations

import pytest

from memrix import MetricError, SettingsError, monte_carlo, sweep
from memrix.studies.estimates import t_interval
from tests.studies.small_study import HARDWARE, cross_entropy, network, pairs


def measured(metric="loss", **options):
    return monte_carlo(network(), HARDWARE, pairs(), metric, **options)


@pytest.fixture(scope="module")
def twenty():
    return measured()


def test_twenty_chips_have_an_interval(twenty):
    figures = [row.figure for row in twenty.rows]
    assert len(set(figures)) == 20
    assert twenty.interval == t_interval(figures, 0.95)
    assert twenty.interval[0] < twenty.mean < twenty.interval[1]
    assert twenty.data_interval[0] < twenty.interval[0] < twenty.interval[1] < twenty.data_interval[1]
    assert (twenty.estimate.items, twenty.reached) == (16, None)


def test_chips_are_those_of_a_sweep(twenty):
    result = sweep(network(), HARDWARE, pairs(), "loss", {}, chips=3)
    assert [row.figure for row in result.rows] == [row.figure for row in twenty.rows[:3]]


def test_it_stops_with_the_first_interval_that_is_narrow_enough(twenty):
    figures = [row.figure for row in twenty.rows]
    widths = {n: (high - low) / 2 for n in range(5, 21) for low, high in [t_interval(figures[:n], 0.95)]}
    asked = widths[9] * 1.0001
    first = next(n for n, width in widths.items() if width <= asked)
    result = measured(half_width=asked)
    assert (len(result.rows), result.reached) == (first, True)
    relative = measured(relative=asked / 1e3)
    assert (len(relative.rows), relative.reached) == (20, False)
    assert "not as narrow as asked" in str(relative)


def test_the_table_and_the_chart_show_the_estimate(twenty, tmp_path):
    assert f"{twenty.mean:.4g}" in str(twenty)
    assert twenty._repr_html_().count("<tr>") == len(str(twenty).split("\n\n")[0].splitlines())
    (axes,) = twenty.plot().axes
    points = next(line for line in axes.lines if line.get_label() == "chip")
    assert list(points.get_ydata()) == [row.figure for row in twenty.rows]
    twenty.to_csv(tmp_path / "chips.csv")
    assert len((tmp_path / "chips.csv").read_text().splitlines()) == 21
    assert list(twenty.to_frame()["loss"]) == [row.figure for row in twenty.rows]
    assert twenty.to_dict()["chips"] == 20


def test_a_folder_gives_what_a_sweep_has_measured(tmp_path):
    told = []
    sweep(network(), HARDWARE, pairs(), "loss", {"noise": ["physical", "off"]}, chips=2, folder=tmp_path)
    measured(chips=3, folder=tmp_path, progress=lambda *a: told.append("from the folder" in a[2]))
    assert told == [True, True, False]


def test_chips_that_fail_are_counted():
    calls = []

    def metric(model, batch):
        calls.append(1)
        if len(calls) == 3:  # the first batch of the first chip
            raise RuntimeError("no")
        return cross_entropy(model, batch)

    result = measured(metric, chips=3)
    assert (result.estimate.chips, result.estimate.failed) == (2, 1)
    assert "1 failed: MetricError" in str(result)


def test_if_all_chips_fail_it_is_an_error():
    calls = []

    def metric(model, batch):
        calls.append(1)
        return cross_entropy(model, batch) * (float("nan") if len(calls) > 2 else 1)

    with pytest.raises(MetricError, match=r"all 2 chips have failed.*is NaN"):
        measured(metric, chips=2)


@pytest.mark.parametrize(
    "options", [{"chips": 1}, {"half_width": 0}, {"relative": -1}, {"seed": -1}], ids=lambda o: next(iter(o))
)
def test_bad_arguments_are_told(options):
    with pytest.raises(SettingsError, match=next(iter(options))):
        measured(**options)
