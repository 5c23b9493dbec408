"""Chip files that were changed, their checksum made anew: an error of memrix, or the chip that the file describes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import torch
from hypothesis import strategies as st

import memrix
from memrix._support.archive import read_archive
from memrix.checkpoint.files import CHIP
from memrix.errors import CheckpointError
from tests.forging import AS_DESCRIBED, REFUSED, Forger, X, changed_tensors, chip, fuzz, model
from tests.mutations import (
    LONG_NUMBER,
    NASTY,
    NASTY_TEXTS,
    json_text,
    mutations,
    places,
    replaced,
    shortened,
    trees,
    value_at,
)


@pytest.fixture(scope="module")
def forger(tmp_path_factory) -> Forger:
    return Forger(tmp_path_factory.mktemp("forged"))


def test_an_unchanged_file_is_the_chip_that_was_saved(forger):
    assert forger.outcome() == AS_DESCRIBED


def each_field_once(tree: Any) -> Iterator[Any]:
    values = itertools.cycle(NASTY)
    return (replaced(tree, path, value) for path, value in zip(places(tree), values, strict=False) if path)


def test_every_field_with_another_nasty_value(forger):
    outcomes = [forger.outcome(description) for description in each_field_once(forger.description)]
    assert set(outcomes) == {REFUSED, AS_DESCRIBED}
    assert outcomes.count(REFUSED) > 0.9 * len(outcomes)


@pytest.mark.slow
def test_every_field_with_every_nasty_value(forger):
    outcomes = {name: forger.outcome(description) for name, description in mutations(forger.description)}
    assert len(outcomes) > 5000
    assert {name: outcome for name, outcome in outcomes.items() if outcome not in (REFUSED, AS_DESCRIBED)} == {}


def changed_twice(draw: Any, tree: Any) -> Any:
    for _ in range(2):
        path = draw(st.sampled_from(list(places(tree))))
        tree = replaced(tree, path, draw(st.one_of(st.just(value_at(tree, path)), trees())))
    return tree


@pytest.mark.parametrize("examples", [25, pytest.param(2000, marks=pytest.mark.slow)])
def test_any_two_changes_of_a_description(forger, examples):
    @hypothesis.settings(fuzz, max_examples=examples)
    @hypothesis.given(st.data())
    def run(data):
        assert forger.outcome(changed_twice(data.draw, forger.description)) in (REFUSED, AS_DESCRIBED)

    run()


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("layers.0.record.report.cells", -1, "record.report.cells must be at least 0, got -1"),
        ("layers.0.record.report.pulses", float("nan"), "layers.0.record.report.pulses must be an integer, got nan"),
        ("layers.0.record.report.failed", "many", "layers.0.record.report.failed must be an integer, got 'many'"),
        ("layers.0.record.report.failed", 10**6, "record.report.failed must be at most the 36 cells"),
        ("layers.0.record.nominal_states", [0.5], "layers.0.record.nominal_states must be a list of 2"),
        ("layers.0.record.nominal_states.1", 7.5, "rising and from -100 to 0.89"),
        ("layers.0.record.read_seed", 2**64, "read_seed must be an integer from 0 to 9223372036854775807"),
        ("layers.0.device", -1, "device must be an integer from 0 to 0, got -1"),
        ("layers.0.hardware.tile.rows", 10**9, "layers.0.hardware: tile.rows must be an integer from 1 to 1048576"),
        ("layers.0.hardware.adc.per_layer", 1, "layers.0.hardware: adc.per_layer must be true or false, got 1"),
        ("layers.0.record.hardware.dac.bits", 7, "hardware and record.hardware must be the same"),
        ("layers.0.record.adc.precision_bits", 20, "record.adc must be the hardware's, or have its bits"),
        ("layers.0.parameters", ["weight"], r"layer '0' has parameters ['weight'], expected ['bias', 'weight']"),
        ("layers.2.quantization.seed", True, "layers.2.quantization.seed must be an integer, got True"),
        ("devices.0", "{}", "its device cannot be used"),
        ("decomposed", ["nowhere"], "there is no module 'nowhere'"),
        ("digital", {"nowhere": "because"}, "digital must be modules of the chip, and there is no module 'nowhere'"),
        ("digital", {"0": "because"}, "digital must be other layers than those on the chip or quantized, got '0'"),
        ("not_finite", ["nothing"], "not_finite must be names of tensors, got 'nothing'"),
        ("format", 5, "format 5, and formats up to 4 are read; upgrade memrix"),
        ("streams", 3, "its seeds are of random streams 3, and those up to 2 are known; upgrade memrix"),
        ("streams", 1, "streams must be at least 2 in format 4, got 1"),
        ("streams", 0, "streams must be an integer from 1 to 2, got 0"),
        ("streams", True, "streams must be an integer from 1 to 2, got True"),
        ("streams", "2", "streams must be an integer from 1 to 2, got '2'"),
        ("modules.0.settings", LONG_NUMBER, "'content.modules.0.settings' is a number of 5000 digits"),
    ],
    ids=shortened,
)
def test_what_is_wrong_is_told_with_its_place_value_and_what_is_expected(forger, place, value, problem):
    path = tuple(
        int(step) if step.isdigit() and not isinstance(found, dict) else step for step, found in _walk(forger, place)
    )
    forger.write(json_text({"tied": {}, "content": replaced(forger.description, path, value)}), forger.tensors)
    with pytest.raises(CheckpointError) as caught:
        memrix.load(forger.path, model())
    assert problem in str(caught.value)


def _walk(forger: Forger, place: str) -> Iterator[tuple[str, Any]]:
    found = forger.description
    for step in place.split("."):
        yield step, found
        found = found[int(step)] if isinstance(found, list) else found[step]


def test_streams_that_are_missing_are_not_the_first(forger):
    assert forger.outcome({k: v for k, v in forger.description.items() if k != "streams"}) == REFUSED


def test_a_setting_that_is_missing_is_not_the_default(forger):
    path = ("layers", "0", "hardware", "adc", "gain")
    assert (
        forger.outcome(next(t for n, t in mutations(forger.description) if n == ".".join(path) + " = (deleted)"))
        == REFUSED
    )


def test_every_tensor_changed(forger):
    tried = dict(changed_tensors(forger.tensors))
    outcomes = {name: forger.outcome(tensors=tensors) for name, tensors in tried.items()}
    assert {name: outcome for name, outcome in outcomes.items() if outcome not in (REFUSED, AS_DESCRIBED)} == {}
    for name in ("nan", "inf", "float16", "float64", "int8", "deleted", "flat", "an axis more", "complex64"):
        relevant = [outcome for tried_name, outcome in outcomes.items() if tried_name.endswith(name)]
        assert relevant
        assert set(relevant) == {REFUSED}, name


@pytest.mark.parametrize("examples", [50, pytest.param(1500, marks=pytest.mark.slow)])
def test_bytes_of_a_file_changed(forger, examples):
    @hypothesis.settings(fuzz, max_examples=examples)
    @hypothesis.given(st.integers(0, len(forger.bytes) - 1), st.binary(min_size=1, max_size=4))
    def run(position, written):
        forger.path.write_bytes(forger.bytes[:position] + written + forger.bytes[position + len(written) :])
        try:
            loaded, _ = read_archive(forger.path, CHIP)
        except CheckpointError as error:
            assert str(forger.path) in str(error)  # noqa: PT017 - both ends are right
            return
        assert all(
            torch.equal(loaded[name].nan_to_num(), values.nan_to_num()) for name, values in forger.tensors.items()
        )

    run()


@pytest.mark.parametrize("text", NASTY_TEXTS.values(), ids=NASTY_TEXTS.keys())
def test_descriptions_that_are_none(forger, text):
    for whole in (text, f'{{"tied": {{}}, "content": {text or 0}}}', f'{{"tied": {text or 0}, "content": {{}}}}'):
        try:
            forger.write(whole, forger.tensors)
        except (UnicodeError, ValueError):
            continue  # no header can hold it
        with pytest.raises(CheckpointError, match=r"chip\.safetensors"):
            memrix.load(forger.path, model())


@pytest.mark.parametrize(
    ("key", "value"),
    [*itertools.product(["memrix_format"], ["0", "-1", "", "5", "9" * 5000, "٣", "1.0"]), ("memrix_sha256", "")],
    ids=shortened,
)
def test_headers_that_are_none(forger, key, value):
    text = json_text({"tied": {}, "content": forger.description})
    forger.write(text, forger.tensors, **{key: value})
    with pytest.raises(CheckpointError, match=r"chip\.safetensors"):
        memrix.load(forger.path, model())


@pytest.mark.parametrize("tied", [{"0.weight": "0.bias"}, {"x": "nothing"}, {"x": 1}, ["x"], None])
def test_tied_names_that_contradict_the_tensors(forger, tied):
    forger.write(json_text({"tied": tied, "content": forger.description}), forger.tensors)
    with pytest.raises(CheckpointError, match="tied"):
        memrix.load(forger.path, model())


def test_a_field_that_is_given_twice(forger):
    text = json_text({"tied": {}, "content": forger.description}).replace('"gain":', '"gain": 2.0, "gain":', 1)
    forger.write(text, forger.tensors)
    with pytest.raises(CheckpointError, match=r"content\.layers\.0\.hardware\.adc\.gain' is given twice"):
        memrix.load(forger.path, model())


class TestExtraState:
    """The record of a layer in a ``state_dict``."""

    @pytest.mark.filterwarnings("ignore::memrix.errors.SeedWarning")
    def test_every_field_with_every_nasty_value(self):
        target = chip()
        key = next(name for name in target.state_dict() if name.startswith("0.") and name.endswith("_extra_state"))
        record = json.loads(bytes(target.state_dict()[key].tolist()))
        for number, (name, tree) in enumerate(mutations(record)):
            if number % 20:
                continue
            state = {**target.state_dict(), key: torch.tensor(list(json_text(tree).encode()), dtype=torch.uint8)}
            try:
                target.load_state_dict(state)
            except CheckpointError:
                continue
            assert bool(target(X).isfinite().all()), name

    @pytest.mark.parametrize(
        "state",
        [
            torch.zeros(3),
            torch.zeros(2, 2, dtype=torch.uint8),
            torch.full((9,), 255, dtype=torch.uint8),
            "text",
            None,
            5,
        ],
        ids=shortened,
    )
    def test_what_is_no_record_of_bytes(self, state):
        target = chip()
        key = next(name for name in target.state_dict() if name.startswith("0.") and name.endswith("_extra_state"))
        with pytest.raises(CheckpointError, match="extra state"):
            target.load_state_dict({**target.state_dict(), key: state})


def test_save_refuses_what_load_would(tmp_path):
    broken = chip()
    with torch.no_grad():
        next(p for n, p in broken.named_buffers() if n.endswith("crossbar.difference")).fill_(float("nan"))
    with pytest.raises(CheckpointError, match=r"(?s)what is to be saved cannot be a chip.*difference must be states"):
        memrix.save(broken, tmp_path / "chip.safetensors")
    assert not list(tmp_path.iterdir())


def test_masks_of_infinite_values_are_kept(tmp_path):
    masked, digital = chip(), model()
    for network in (masked, digital):
        network.register_buffer("mask", torch.full((2,), float("-inf")))
    memrix.save(masked, tmp_path / "chip.safetensors")
    assert memrix.load(tmp_path / "chip.safetensors", digital).mask.tolist() == [float("-inf")] * 2


@pytest.mark.parametrize("path", ["a\0b", "a\ud800b", 5, b"chip"])
def test_paths_that_no_file_can_have_are_named(path):
    for call in (lambda: memrix.save(chip(), path), lambda: memrix.load(path, model())):
        with pytest.raises(CheckpointError, match="the path of a file must"):
            call()
