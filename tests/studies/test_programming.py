import json
from dataclasses import replace

import pytest
import torch

from memrix.crossbar import Ideal, ResetSet
from memrix.device import load_parameters
from memrix.errors import SettingsError
from memrix.quantization import weight_integers, weight_step
from memrix.studies.disturbs import VOLTS, disturb_rows
from memrix.studies.programming import (
    TARGETS,
    LevelRow,
    ProgrammingRow,
    ProgrammingStudy,
    protocols_to_compare,
    study_programming,
)

WEIGHTS = 4000
OPEN_LOOP, RAMP, IDEAL = "reset-set", "reset-ramp, 10 mV", "ideal"


def study_of(monkeypatch, *names, **settings) -> ProgrammingStudy:
    """A study of some of its protocols: the mean states of all of them take most of a minute."""
    chosen = {name: protocols_to_compare()[name] for name in names}
    monkeypatch.setattr("memrix.studies.programming.protocols_to_compare", lambda: chosen)
    return study_programming(**{"weight_bits": (3,), "weights": WEIGHTS, **settings})


@pytest.fixture(scope="module")
def study() -> ProgrammingStudy:
    with pytest.MonkeyPatch.context() as patch:
        return study_of(patch, OPEN_LOOP, RAMP, IDEAL)


def rows_of(study: ProgrammingStudy, protocol: str) -> dict[str, ProgrammingRow]:
    return {row.mapping: row for row in study.rows if row.protocol == protocol}


def test_a_study_compares_every_protocol_of_the_house_and_steps_of_the_ramp():
    protocols = protocols_to_compare()
    assert {protocol.name for protocol in protocols.values()} == {
        "reset-set",
        "pre-cycled",
        "write-verify",
        "reset-ramp",
        "ideal",
    }
    steps = {name: protocol.step for name, protocol in protocols.items() if protocol.name == "reset-ramp"}
    assert steps == {"reset-ramp, 20 mV": 0.02, "reset-ramp, 10 mV": 0.01, "reset-ramp, 5 mV": 0.005}


def test_protocols_that_reach_levels_are_studied_in_both_mappings(study):
    assert [(row.protocol, row.mapping) for row in study.rows] == [
        (OPEN_LOOP, "bit-sliced"),
        (RAMP, "bit-sliced"),
        (RAMP, "multi-level"),
        (IDEAL, "bit-sliced"),
        (IDEAL, "multi-level"),
    ]


@pytest.mark.parametrize(("mapping", "cells"), [("bit-sliced", 4), ("multi-level", 2)])
def test_cells_of_a_weight_of_three_bits(study, mapping, cells):
    """Two bits of magnitude in pairs of cells, or one pair for both."""
    assert rows_of(study, RAMP)[mapping].cells == cells
    assert rows_of(study, IDEAL)[mapping].cells == cells


def test_ideal_programming_has_no_error_and_costs_nothing(study):
    for row in rows_of(study, IDEAL).values():
        # States are float32.
        assert row.weight_error < 1e-6
        assert (row.on_spread, row.off_spread) == pytest.approx((0, 0), abs=1e-12)
        assert (row.pulses, row.energy, row.failed) == (0, 0, 0)


def test_reset_set_takes_a_pulse_a_cell_and_one_for_each_bit_that_is_on(study):
    weights = torch.randn(WEIGHTS, 1, generator=torch.Generator().manual_seed(0))
    magnitudes = weight_integers(weights, weight_step(weights, 3, "per-tensor"), 3).abs()
    bits_on = (magnitudes & 1) + (magnitudes >> 1)
    row = rows_of(study, OPEN_LOOP)["bit-sliced"]
    assert row.pulses == 4 + int(bits_on.sum()) / WEIGHTS
    assert row.failed == 0


def test_error_of_a_weight_comes_from_the_spread_of_its_cells(study):
    """Two pairs worth 1 and 2 of 3, nearly all of their cells OFF: ``sqrt(2 * (1 + 4)) / 3`` OFF spreads."""
    row = rows_of(study, OPEN_LOOP)["bit-sliced"]
    of_off_cells = 10**0.5 / 3 * row.off_spread
    # The few ON cells spread more, and a full pair is a little less than an ON current.
    assert of_off_cells < row.weight_error < 1.25 * of_off_cells


def test_a_ramp_comes_closer_than_reset_set_and_takes_more_pulses(study):
    open_loop, ramp = (rows_of(study, name)["bit-sliced"] for name in (OPEN_LOOP, RAMP))
    assert ramp.on_spread < open_loop.on_spread / 4
    assert ramp.off_spread < open_loop.off_spread / 4
    assert ramp.weight_error < open_loop.weight_error / 4
    assert ramp.pulses > 50 * open_loop.pulses
    assert ramp.energy > 20 * open_loop.energy


def test_the_spread_of_reset_set_is_that_of_fresh_cells(study):
    row = rows_of(study, OPEN_LOOP)["bit-sliced"]
    assert row.on_spread == pytest.approx(0.050, abs=0.002)
    assert row.off_spread == pytest.approx(0.031, abs=0.002)


def test_levels_of_a_ramp_of_ten_millivolt_spread_by_at_most_twelve_thousandths(study):
    assert TARGETS == (0.3, 0.5, 0.7, 0.9)
    assert [(level.protocol, level.target) for level in study.levels] == [(RAMP, target) for target in TARGETS]
    assert all(0 < level.spread <= 0.012 for level in study.levels)


def test_levels_of_a_ramp_lie_at_their_targets(study):
    """Read back at 0.2 V, shown at 0.6 V, where a low current is a slightly larger share of that of an ON cell."""
    for level in study.levels:
        assert level.target < level.median < level.target + 0.015
        assert level.missed < 0.001


def test_the_farther_a_ramp_leads_the_more_pulses_it_takes(study):
    pulses = [level.pulses for level in study.levels]
    assert pulses == sorted(pulses, reverse=True)
    # SET, then from 0.5 V in steps of 10 mV; the current falls to half of it at 0.9 V.
    assert pulses[1] == pytest.approx(1 + (0.9 - 0.5) / 0.01, abs=4)


def test_the_seed_decides(monkeypatch):
    one, same, other = (study_of(monkeypatch, OPEN_LOOP, IDEAL, weights=200, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.rows[0].weight_error != other.rows[0].weight_error


def test_the_parameters_are_those_that_were_given(monkeypatch):
    """ON cells of devices that are all but alike spread by their cycles alone."""
    built_in = load_parameters()
    alike = replace(built_in, mixture_cholesky=built_in.mixture_cholesky / 100)
    one, other = (study_of(monkeypatch, OPEN_LOOP, parameters=p, weights=500) for p in (built_in, alike))
    assert other.rows[0].on_spread < 0.9 * one.rows[0].on_spread


def test_progress_names_each_protocol(monkeypatch):
    told = []
    study_of(monkeypatch, OPEN_LOOP, IDEAL, weights=2, progress=told.append)
    assert told == [OPEN_LOOP, IDEAL]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": 0}, "weights must be an integer from 2 to 16777216, got 0"),
        ({"weights": 1}, "weights must be an integer from 2 to 16777216, got 1"),
        ({"seed": -1}, "seed must be an integer from 0 to 2147483648, got -1"),
        (
            {"weight_bits": (1,), "weights": 2},
            "weight_bits must be an integer from 2 to 16, or 1.5 for ternary weights, got 1",
        ),
    ],
)
def test_a_study_that_cannot_be_is_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        study_programming(**settings)


HANDMADE = ProgrammingStudy(
    rows=(ProgrammingRow("reset-set", "bit-sliced", 3, 0.05019, 0.0306, 0.036, 4.0, 4.46, 99.6e-12, 0.00123),),
    levels=(LevelRow("reset-ramp, 10 mV", 0.5, 0.5087, 0.00613, 0.0004, 42.4),),
)


def test_tables_show_rounded_figures_in_the_units_of_their_heads():
    assert HANDMADE.to_markdown() == (
        "| protocol | mapping | bits | ON spread | OFF spread | weight error | cells | pulses | pJ | failed % |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| reset-set | bit-sliced | 3 | 0.0502 | 0.0306 | 0.0360 | 4 | 4.5 | 100 | 0.12 |\n"
        "\n"
        "| protocol | target | median | spread | missed % | pulses per cell |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| reset-ramp, 10 mV | 0.5 | 0.509 | 0.0061 | 0.04 | 42 |\n"
    )


def test_a_study_survives_json():
    read = json.loads(json.dumps(HANDMADE.to_dict()))
    assert [ProgrammingRow(**row) for row in read["rows"]] == list(HANDMADE.rows)
    assert [LevelRow(**level) for level in read["levels"]] == list(HANDMADE.levels)


def test_a_study_counts_the_cells_that_readings_would_switch():
    """In shares of all cells: fresh OFF cells 11.1 % at -0.6 V, ON cells 5 in 10,000 at 0.6 V; ideal cells none."""
    rows = {row.target: row for row in disturb_rows("reset-set", ResetSet(), load_parameters(), 1 << 19, seed=0)}
    assert VOLTS == (-0.6, -0.5, -0.4, 0.4, 0.5, 0.6)
    lowest, lower, low, *positive = rows["OFF"].shares
    assert lowest == pytest.approx(0.111, rel=0.02)
    assert lower == pytest.approx(5e-4, rel=0.2)
    assert low < 6e-5
    assert positive == [0, 0, 0]
    assert rows["ON"].shares[:3] == (0, 0, 0)
    assert rows["ON"].shares[-1] == pytest.approx(5.5e-4, rel=0.25)
    assert rows["OFF"].cells()[:2] == ("reset-set", "OFF")
    for row in disturb_rows("ideal", Ideal(), load_parameters(), 1000, seed=0):
        assert set(row.shares) == {0.0}


def test_tables_of_a_study_tell_what_readings_would_switch(study):
    assert [row.target for row in study.disturbs] == ["OFF", "ON"] * 3
    assert "| protocol | target | -0.6 V | -0.5 V | -0.4 V | +0.4 V | +0.5 V | +0.6 V |" in study.to_markdown()
