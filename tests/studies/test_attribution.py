"""Errors of layers and of a network by cause, and what to change first."""

from __future__ import annotations

import pytest
import torch

import memrix
from memrix import ADC, Hardware, MetricError, SettingsError, Wires, attribution
from memrix.studies.cause_sets import orders, pairs_in, pairs_of
from memrix.studies.causes import CAUSES, Cause, with_causes
from memrix.studies.metric import Metric

from .studied_models import labeled, network

CHIP = Hardware.preset("physical")
IDEAL = Hardware.preset("ideal")


def attributed(hardware: Hardware, **options: object) -> memrix.Attribution:
    model = network()
    return attribution(model, hardware, labeled(model), "loss", **{"remedies": 0, **options})


def test_a_chip_without_errors_has_those_of_quantization_alone() -> None:
    found = attributed(IDEAL)
    acting = {each.cause for each in found.network.causes if each.share}
    assert acting == {"weight quantization", "activation quantization"}
    assert found.network.explained == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_a_cause_that_is_off_has_zero_and_one_that_is_made_large_is_the_first() -> None:
    for cause, changes in {
        "wires": {"wires": Wires(ohms_per_cell=20.0)},
        "ADC clipping": {"adc": ADC(precision_bits=8, range_bits=0)},
        "ADC resolution": {"adc": ADC(precision_bits=0, range_bits=8)},
        "stuck cells": {"faults.stuck_on": 0.05},
        "weight quantization": {"weight_bits": 2},
        "activation quantization": {"dac.bits": 3},
    }.items():
        base = {"weight_bits": 8, "dac.bits": 12, "dac.levels": "linearizing", "adc": ADC(8, 8), "noise": "off"}
        hardware = CHIP.replace(**{**base, "programming": "ideal", **changes})
        network = attributed(hardware).network
        assert network.causes[0].cause == cause
        assert network.causes[0].share > 0.9 * network.error
        for off in {"wires", "stuck cells", "relaxation", "drift", "converter mismatch", "read noise"} - {cause}:
            assert (network.of(off).alone, network.of(off).removed) == (0, 0)


EVERYTHING = {
    "wires": Wires(ohms_per_cell=2.0),
    "relaxation.share": 0.02,
    "adc": ADC(5, 4, offset_error=1.0, gain_error=0.01, noise=0.25),
    "dac.level_mismatch": 0.05,
    "column_calibration": True,
}


@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["physical", "everything"])
def test_the_causes_add_up_to_the_error_of_every_layer_and_of_the_network(changes: dict[str, object]) -> None:
    found = attributed(CHIP.replace(**changes))
    assert found.network.explained == pytest.approx(1, abs=0.1)
    for layer in found.layers:
        assert layer.explained == pytest.approx(1, abs=0.05)
        assert sum(each.share for each in layer.causes) + layer.residual == pytest.approx(layer.error)
        assert sum(each.alone for each in layer.causes) + layer.interaction == pytest.approx(layer.error)


def test_shares_are_those_of_vectors_that_are_added() -> None:
    """Of errors that add up, each cause has the product of its vector with the sum of all, and nothing is left."""
    torch.manual_seed(0)
    vectors = {cause.name: torch.randn(5) for cause in CAUSES}

    def power(causes: list[Cause]) -> float:
        return float(sum((vectors[each.name] for each in causes), torch.zeros(5)).square().sum())

    shares = {}
    for cause in CAUSES:
        shares[cause.name] = sum(power(having) - power(lacking) for having, lacking in pairs_of(cause, CAUSES)) / 2
    assert sum(shares.values()) == pytest.approx(power(list(CAUSES)), rel=1e-4)
    whole = sum(vectors.values(), torch.zeros(5))
    assert shares["wires"] == pytest.approx(float(vectors["wires"] @ whole), rel=1e-3)


@pytest.mark.slow
def test_causes_in_random_orders_leave_no_residual() -> None:
    model = network()
    hardware = CHIP.replace(weight_bits=2, **{"adc.precision_bits": 1, "adc.offset_error": 1.0, "dac.bits": 4})
    found = attribution(model, hardware, labeled(model), "loss", remedies=0, orders=2)
    assert found.network.explained == pytest.approx(1)
    assert found.network.residual == pytest.approx(0, abs=1e-9)
    assert all(layer.explained == pytest.approx(1) for layer in found.layers)
    ends = attribution(model, hardware, labeled(model), "loss", remedies=0)
    for each in ends.network.causes[:3]:
        assert found.network.of(each.cause).share == pytest.approx(each.share, abs=0.15 * found.network.error)


def test_orders_are_random_and_add_what_is_required_first() -> None:
    several = orders(CAUSES, 4)
    assert len({tuple(cause.name for cause in order) for order in several}) == 4
    assert [cause.name for cause in orders(CAUSES, 3)[2]] == [cause.name for cause in several[2]]
    for order in several:
        assert sorted(cause.name for cause in order) == sorted(cause.name for cause in CAUSES)
        for cause, (having, lacking) in pairs_in(order).items():
            with_causes(CHIP, having)
            assert having == [*lacking, cause]


def test_no_set_of_causes_lacks_what_one_of_them_requires() -> None:
    for cause in CAUSES:
        for having, lacking in pairs_of(cause, CAUSES):
            with_causes(CHIP, having)
            with_causes(CHIP, lacking)
            assert {each.name for each in having} - {each.name for each in lacking} == {cause.name}


def test_the_errors_of_a_layer_do_not_follow_from_those_of_the_layer_before() -> None:
    good = CHIP.replace(weight_bits=8, **{"adc.precision_bits": 10, "adc.range_bits": 8})
    model = network()
    batches = labeled(model)
    one, both = (
        attribution(model, {"0": first, "2": good}, batches, "loss", remedies=0).layers
        for first in (good, good.replace(weight_bits=2))
    )
    assert [{each.name: each.error for each in layers}["2"] for layers in (one, both)] == [
        pytest.approx(next(each.error for each in one if each.name == "2"), rel=0.1)
    ] * 2
    assert {each.name: each.error for each in both}["0"] > 10 * {each.name: each.error for each in one}["0"]


def test_the_first_recommendation_improves_other_data_and_another_chip() -> None:
    model = network()
    train, test = labeled(model)
    hardware = CHIP.replace(weight_bits=6, adc=ADC(precision_bits=7, range_bits=1))
    found = attribution(model, hardware, [train], "loss", remedies=3)
    first = found.recommendation
    assert first is not None
    assert "ADC clipping" in first.causes
    assert first.gain > 0
    assert first.error < first.error_before / 2
    memrix.calibrate(model, [train[0]], first.hardware)
    before, after = (
        Metric.of("loss").measure(memrix.program(model, chip, seed=9), [test]).mean
        for chip in (hardware, first.hardware)
    )
    assert after < before / 2


def test_remedies_of_a_mapping_are_a_mapping() -> None:
    model = network()
    found = attribution(model, {"0": CHIP, "4": CHIP.replace(weight_bits=3)}, labeled(model), "loss", remedies=1)
    (remedy,) = found.remedies
    assert {name: chip.weight_bits for name, chip in remedy.hardware.items()} == {"0": 5, "4": 4}
    assert remedy.cells_before < remedy.cells


def test_weights_that_were_trained_keep_their_integers() -> None:
    model = network()
    batches = labeled(model)
    hardware = CHIP.replace(weight_bits=2)
    memrix.calibrate(model, [x for x, _ in batches], hardware)
    memrix.quantize(model, hardware)
    found = attribution(model, hardware, batches, "loss", remedies=2)
    assert found.network.of("weight quantization").share == pytest.approx(0, abs=1e-6 * found.network.error)
    assert len(found.remedies) == 2
    assert all(each.hardware.weight_bits == 2 for each in found.remedies)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"remedies": -1}, SettingsError, "remedies must be"),
        ({"orders": -1}, SettingsError, "orders must be"),
        ({"metric": lambda model, batch: model(batch[0]).sum()}, SettingsError, "it is not known whether"),
        ({"metric": Metric(lambda model, batch: model(batch[0]).sum() / 0, "sum", False)}, MetricError, "infinite"),
        ({"batches": []}, MetricError, "no batch"),
        ({"metric": "acuracy"}, SettingsError, "did you mean 'accuracy'"),
    ],
    ids=["remedies", "orders", "direction", "infinite", "empty", "name"],
)
def test_bad_input_is_told(changes: dict[str, object], error: type[Exception], message: str) -> None:
    model = network()
    given = {"hardware": CHIP, "batches": labeled(model), "metric": "loss", **changes}
    with pytest.raises(error, match=message):
        attribution(model, **given)


def test_outputs_that_cannot_be_compared_are_told() -> None:
    model = network()
    calls = iter(range(100))

    def growing(model: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
        return float(model(batch[0][: 2 + next(calls)]).sum())

    with pytest.raises(MetricError, match="inputs that follow from its outputs"):
        attribution(model, CHIP, labeled(model), Metric(growing, "growing", True))


def test_it_prints_tables_and_draws_a_chart() -> None:
    found = attributed(CHIP, remedies=2)
    text = str(found)
    assert "The causes add up to" in text
    assert "Change first: " in text
    assert len(found.to_frame()) == 4 * len(CAUSES)
    assert found.to_dict()["network"]["causes"][0]["cause"] == found.network.causes[0].cause
    network_axes, layers = found.plot().axes
    drawn = sum(bar.get_width() for container in network_axes.containers for bar in container)
    assert drawn == pytest.approx(100 * found.network.explained * found.network.error)
    assert [label.get_text() for label in layers.get_yticklabels()] == [layer.name for layer in found.layers]
