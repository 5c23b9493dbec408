"""Metrics: values of items, their weighted mean, and what is refused."""

import math

import pytest
import torch
from torch import nn

from memrix import Metric, MetricError, SettingsError

IDENTITY = nn.Identity()
TWO_BATCHES = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([6.0])]


def mean_of(function, batches=TWO_BATCHES):
    return Metric.of(function).measure(IDENTITY, batches).mean


def test_the_figure_is_the_mean_over_items_of_batches_that_differ_in_size():
    assert mean_of(lambda model, batch: model(batch)) == 3.0


def test_one_number_for_a_batch_counts_as_one_item():
    assert mean_of(lambda model, batch: float(model(batch).mean())) == 4.0
    assert mean_of(lambda model, batch: model(batch).mean()) == 4.0


def test_weights_make_the_mean_one_of_sums():
    # Two errors in ten words, none in thirty.
    rate = mean_of(lambda model, batch: batch, [(torch.tensor([0.2, 0.0]), torch.tensor([10, 30]))])
    assert rate == pytest.approx(2 / 40)


def test_accuracy_and_loss_take_inputs_and_targets():
    outputs, targets = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1])
    accuracy = Metric.of("accuracy").measure(IDENTITY, [(outputs, targets)])
    assert accuracy.values.tolist() == [1, 1, 0]
    loss = Metric.of("loss").measure(IDENTITY, [(outputs, targets)])
    expected = [math.log1p(math.exp(-2)), math.log1p(math.exp(-1)), math.log1p(math.exp(3))]
    assert loss.values.tolist() == pytest.approx(expected)
    assert Metric.of("loss").measure(IDENTITY, [(outputs, outputs + 2)]).mean == pytest.approx(4)


def test_targets_of_every_step_are_averaged_within_an_item():
    outputs = torch.eye(2)[None].repeat(3, 1, 1)  # [items, classes, steps]: class 0, then class 1
    targets = torch.tensor([[0, 1], [0, 0], [1, 0]])
    assert Metric.of("accuracy").measure(IDENTITY, [(outputs, targets)]).values.tolist() == [1, 0.5, 0]


def test_a_model_is_measured_in_evaluation_mode_and_left_as_it_was():
    model, modes = nn.Dropout(0.5), []
    Metric.of(lambda model, batch: modes.append(model.training) or 0.0).measure(model, TWO_BATCHES)
    assert modes == [False, False]
    assert model.training


def test_which_figure_is_better_is_said_or_refused():
    assert Metric.of("loss").better(0.1, 0.2)
    assert not Metric.of("accuracy").better(0.1, 0.2)
    assert Metric.of("loss").gain(0.5, 0.2) == pytest.approx(0.3)
    with pytest.raises(SettingsError, match="higher_is_better=True"):
        Metric.of(lambda model, batch: 0.0).gain(0.5, 0.2)


def test_a_function_has_the_name_of_its_metric():
    def median_error(model, batch):
        return 0.0

    assert Metric.of(median_error).name == "median_error"
    assert Metric(median_error, name="median").name == "median"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda model, batch: math.nan, "on batch 1 is NaN"),
        (lambda model, batch: torch.tensor([0.0, math.inf]), "infinite value for 1 of 2 items"),
        (lambda model, batch: torch.zeros(2, 2, 2), r"shape \[2, 2, 2\]"),
        (lambda model, batch: "0.5", "gives '0.5'"),
        (lambda model, batch: {}["missing"], "raises KeyError: 'missing'"),
        (lambda model, batch: (torch.ones(3), torch.ones(2)), "3 values and 2 weights"),
        (lambda model, batch: (torch.ones(2), torch.tensor([1.0, -1.0])), "weight below 0"),
        (lambda model, batch: (torch.ones(2), torch.zeros(2)), "the weight 0"),
        ("accuracy", r"pairs \(input, target\), got Tensor"),
    ],
)
def test_what_is_no_figure_is_an_error_of_its_batch(function, message):
    with pytest.raises(MetricError, match=message):
        mean_of(function)


def test_no_batch_is_an_error():
    with pytest.raises(MetricError, match="no batch"):
        mean_of("accuracy", [])


@pytest.mark.parametrize(
    ("metric", "message"), [("acuracy", "did you mean 'accuracy'"), (0.5, "must be a function"), (None, "a function")]
)
def test_what_is_no_metric_is_refused(metric, message):
    with pytest.raises(SettingsError, match=message):
        Metric.of(metric)


@pytest.mark.parametrize(
    "settings", [{"higher_is_better": "yes"}, {"name": 3}, {"identity": 3}], ids=lambda settings: next(iter(settings))
)
def test_settings_of_a_metric_are_checked(settings):
    with pytest.raises(SettingsError, match=next(iter(settings))):
        Metric(lambda model, batch: 0.0, **settings)
