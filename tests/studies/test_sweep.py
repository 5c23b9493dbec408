"""Sweeps: trials, their table and files, and what is kept and read again."""

from __future__ import annotations

import csv
import json
import math

import pytest
import torch
from torch import nn

import memrix
from memrix import Metric, MetricError, SettingsError, sweep
from memrix.errors import DataError
from tests.studies.small_study import HARDWARE, cross_entropy, network, pairs

BITS = {"weight_bits": [2, 4]}


def figures(result):
    return [row.figure for row in result.rows]


def test_a_trial_is_what_programming_and_measuring_by_hand_give():
    result = sweep(network(), HARDWARE, pairs(), cross_entropy, BITS, chips=2)
    model = network()
    memrix.calibrate(model, [input for input, _ in pairs()], HARDWARE)
    by_hand = []
    for bits in (2, 4):
        for seed in (0, 1):
            chip = memrix.program(model, HARDWARE.replace(weight_bits=bits), seed=seed).eval()
            with torch.no_grad():
                by_hand.append(float(torch.cat([cross_entropy(chip, batch) for batch in pairs()]).double().mean()))
    assert figures(result) == by_hand
    with torch.no_grad():
        digital = torch.cat([cross_entropy(model, batch) for batch in pairs()])
    assert result.digital.mean == pytest.approx(float(digital.mean()))


def test_the_model_is_not_changed():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sweep(model, HARDWARE, pairs(), "loss", BITS)
    assert type(model[0]) is nn.Linear
    assert before.keys() == model.state_dict().keys()
    assert not model[0]._forward_pre_hooks


def test_existing_ranges_are_kept():
    model = network()
    memrix.calibrate(model, [1000 * torch.ones(4, 8)], HARDWARE)
    wide = sweep(model, HARDWARE, pairs(), "loss", BITS)
    assert figures(wide) != figures(sweep(network(), HARDWARE, pairs(), "loss", BITS))


def test_hardware_that_is_tuned_gets_calibration_samples():
    data = pairs(batches=3, items=16)
    result = sweep(network(), HARDWARE, data, "loss", {"column_calibration": [False, True], "dac.bits": [8, 4]})
    assert not result.failed
    assert len(set(figures(result))) == 4


def test_the_table_has_a_row_for_each_trial(tmp_path):
    result = sweep(network(), HARDWARE, pairs(), "loss", {**BITS, "programming": ["ideal"]}, chips=2, seed=5)
    frame = result.to_frame()
    assert list(frame) == ["weight_bits", "programming", "chip", "seed", "loss", "failure", "seconds"]
    assert list(frame["seed"]) == [5, 6, 5, 6]
    result.to_csv(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == figures(result)
    result.to_parquet(tmp_path / "a.parquet")
    pandas = pytest.importorskip("pandas")
    assert list(pandas.read_parquet(tmp_path / "a.parquet")["loss"]) == figures(result)
    assert json.loads(json.dumps(result.to_dict()))["settings"][1]["settings"]["weight_bits"] == 4


def test_a_column_of_numbers_and_texts_is_written(tmp_path):
    model, memrix_pairs = network(), pairs()
    settings = [{"adc": memrix.ADC(range_bits=5)}, {"weight_bits": 2}]
    sweep(model, HARDWARE, memrix_pairs, "loss", settings, folder=tmp_path / "study")
    assert "ADC(range_bits=5)" in (tmp_path / "study" / "results.csv").read_text()
    assert (tmp_path / "study" / "results.parquet").is_file()


def test_the_summary_and_the_chart_show_every_setting():
    result = sweep(network(), HARDWARE, pairs(), "loss", {**BITS, "adc.range_bits": [2, 5]}, chips=2)
    assert len(result.settings) == 4
    assert result.settings[0].estimate.mean == sum(figures(result)[:2]) / 2
    means = {each.estimate.mean for each in result.settings}
    assert result.best.estimate.mean == min(means)
    assert "adc.range_bits" in str(result)
    assert result._repr_html_().count("<tr>") == 5
    (axes,) = result.plot().axes
    assert [text.get_text() for text in axes.get_legend().get_texts()][1:] == ["adc.range_bits=2", "adc.range_bits=5"]
    drawn = {float(y) for lines in axes.containers for y in lines[0].get_ydata()}
    assert drawn == means


def test_a_trial_that_fails_is_recorded_and_the_others_go_on(tmp_path):
    broken = []

    def metric(model, batch):
        loss = cross_entropy(model, batch)
        broken.append(float(loss[0]))
        if broken[0] != broken[-1] and len(broken) == 3:  # the first chip, not the model itself
            raise RuntimeError("out of order")
        return loss * (math.nan if len(broken) == 4 else 1)

    result = sweep(network(), HARDWARE, pairs(batches=1), Metric(metric, identity="1"), BITS, chips=3)
    assert len(result.failed) == 2
    reasons = [row.failure for row in result.failed]
    assert "RuntimeError: out of order" in reasons[0] or "is NaN" in reasons[0]
    assert sum("is NaN" in reason for reason in reasons) == 1
    assert sum(each.estimate.failed for each in result.settings) == 2
    assert "failed: MetricError" in str(result)


def test_a_metric_that_fails_on_the_model_itself_runs_no_trial():
    ran = []
    with pytest.raises(MetricError, match="is NaN"):
        sweep(network(), HARDWARE, pairs(), lambda model, batch: math.nan, BITS, progress=lambda *_: ran.append(1))
    assert not ran


def test_finished_trials_are_read_and_the_rest_is_run(tmp_path):
    def run(settings, chips):
        told = []
        result = sweep(
            network(),
            HARDWARE,
            pairs(),
            "loss",
            settings,
            chips=chips,
            folder=tmp_path,
            progress=lambda *a: told.append(a),
        )
        return result, sum("from the folder" not in text for _, _, text in told)

    first, ran = run(BITS, 1)
    assert ran == 2
    again, ran = run(BITS, 1)
    assert (figures(again), ran) == (figures(first), 0)
    assert torch.equal(again.rows[0].measured.values, first.rows[0].measured.values)
    wider, ran = run({"weight_bits": [2, 3, 4]}, 2)
    assert ran == 4
    assert figures(wider)[0] == figures(first)[0]


def test_a_study_that_is_interrupted_goes_on(tmp_path):
    def stop(done, total, text):
        if done == 2:
            raise KeyboardInterrupt

    arguments = (network(), HARDWARE, pairs(), "loss", BITS)
    with pytest.raises(KeyboardInterrupt):
        sweep(*arguments, chips=2, folder=tmp_path, progress=stop)
    assert len(list((tmp_path / "trials").iterdir())) == 3  # with the model itself
    told = []
    whole = sweep(*arguments, chips=2, folder=tmp_path, progress=lambda *a: told.append(a[2]))
    assert ["from the folder" in text for text in told] == [True, True, False, False]
    assert figures(whole) == figures(sweep(*arguments, chips=2))


def test_a_damaged_trial_is_run_again(tmp_path):
    arguments = (network(), HARDWARE, pairs(), "loss", BITS)
    first = sweep(*arguments, folder=tmp_path)
    for path in (tmp_path / "trials").iterdir():
        path.write_bytes(path.read_bytes()[:-4])
    assert figures(sweep(*arguments, folder=tmp_path)) == figures(first)


def test_a_trial_that_has_failed_is_run_again(tmp_path):
    broken = [True]

    def metric(model, batch):
        if broken[0] and type(model[0]) is not nn.Linear:
            raise RuntimeError("no")
        return cross_entropy(model, batch)

    arguments = (network(), HARDWARE, pairs(), Metric(metric, identity="1"), BITS)
    assert len(sweep(*arguments, folder=tmp_path).failed) == 2
    broken[0] = False
    assert not sweep(*arguments, folder=tmp_path).failed


def test_other_inputs_in_the_folder_are_told(tmp_path):
    def run(model=None, data=None, metric="loss"):
        sweep(model or network(), HARDWARE, data or pairs(), metric, BITS, folder=tmp_path)

    other = network()
    with torch.no_grad():
        other[0].bias[0] += 1e-3
    run()
    with pytest.raises(DataError, match="trials of another model"):
        run(model=other)
    with pytest.raises(DataError, match="trials of other batches"):
        run(data=pairs(batches=1))
    with pytest.raises(DataError, match=r"trials of another metric.*\('loss', not 'cross_entropy'\)"):
        run(metric=cross_entropy)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    for place in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(DataError, match=r"holds files of something else|is a file"):
            sweep(network(), HARDWARE, pairs(), "loss", BITS, folder=place)


def test_a_metric_that_cannot_be_told_apart_needs_an_identity(tmp_path):
    words = (word for word in "abc")

    def metric(model, batch):
        assert words
        return cross_entropy(model, batch)

    with pytest.raises(SettingsError, match="identity="):
        sweep(network(), HARDWARE, pairs(), metric, BITS, folder=tmp_path / "a")
    sweep(network(), HARDWARE, pairs(), metric, BITS)  # nothing is kept, so nothing is told apart
    sweep(network(), HARDWARE, pairs(), Metric(metric, identity="version 1"), BITS, folder=tmp_path / "a")
    with pytest.raises(DataError, match="another metric"):
        sweep(network(), HARDWARE, pairs(), Metric(metric, identity="version 2"), BITS, folder=tmp_path / "a")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"chips": 0}, SettingsError, "chips must be an integer"),
        ({"jobs": 0}, SettingsError, "jobs must be an integer"),
        ({"jobs": 2, "dask": "tcp://127.0.0.1:1"}, SettingsError, "give jobs or dask"),
        ({"dask": "tcp://127.0.0.1:1"}, SettingsError, "no Dask cluster at 'tcp://127.0.0.1:1'"),
        ({"dask": "nowhere"}, SettingsError, "no Dask cluster at 'nowhere'"),
        ({"dask": 3}, SettingsError, "address of a scheduler"),
        ({"confidence": 95}, SettingsError, "confidence"),
        ({"metric": Metric(cross_entropy, name="seconds")}, SettingsError, "as another column"),
        ({"batches": []}, MetricError, "no batch"),
        ({"batches": torch.zeros(3)}, memrix.CalibrationError, "wrap it"),
        ({"hardware": {"nothing": HARDWARE}}, SettingsError, "'nothing' matches no layer"),
        ({"calibration": []}, memrix.CalibrationError, "no batch to calibrate"),
    ],
)
def test_bad_arguments_are_told(changes, error, message):
    arguments = {"model": network(), "hardware": HARDWARE, "batches": pairs(), "metric": "loss", "settings": BITS}
    with pytest.raises(error, match=message):
        sweep(**{**arguments, **changes})


def test_a_metric_that_does_not_call_the_model_needs_a_calibration():
    def metric(model, batch):
        return cross_entropy(lambda input: model[2](model[1](model[0](input))), batch)

    with pytest.raises(memrix.CalibrationError, match="calibration="):
        sweep(network(), HARDWARE, pairs(), metric, BITS)
    given = sweep(network(), HARDWARE, pairs(), metric, BITS, calibration=[input for input, _ in pairs()])
    assert figures(given) == figures(sweep(network(), HARDWARE, pairs(), cross_entropy, BITS))


def test_a_metric_may_draw_from_the_generator_of_torch():
    def noisy(model, batch):
        return cross_entropy(model, (batch[0] + 0.1 * torch.randn_like(batch[0]), batch[1]))

    model, data, state = network(), pairs(), torch.random.get_rng_state()
    results = [sweep(model, HARDWARE, data, noisy, BITS, chips=2) for _ in range(2)]
    assert figures(results[0]) == figures(results[1])
    assert torch.equal(torch.random.get_rng_state(), state)
