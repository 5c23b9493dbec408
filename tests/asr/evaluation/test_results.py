import json

import pytest

from memrix.asr.evaluation.results import (
    BatchRecord,
    EvaluationResult,
    Execution,
    UtteranceRecord,
    mean_of_chips,
    summarize,
    write_atomically,
)
from memrix.errors import DataError


def utterance(name="a", errors=1, words=4, nll=6.0, tokens=3, error_energy=9.0, float_energy=100.0):
    return UtteranceRecord(name, "said", "heard", errors, words, nll, tokens, error_energy, float_energy, 2.0)


def batch(*utterances, index=0, cells=0, seconds=1.0, conversions=0, clipped=0):
    return BatchRecord(index, cells, seconds, conversions, clipped, utterances)


FLOAT = Execution("float")
CHIP = Execution("chip", 4, 0)


def test_figures_add_up_over_batches():
    baseline = [batch(utterance("a", errors=1)), batch(utterance("b", errors=0, words=6), index=1)]
    on_chip = [
        batch(utterance("a", errors=2, nll=6.0, tokens=3), cells=50, seconds=3.0, conversions=30, clipped=3),
        batch(
            utterance("b", errors=1, words=6, nll=4.0, tokens=2, error_energy=16.0, float_energy=300.0),
            index=1,
            cells=50,
            seconds=5.0,
            conversions=10,
            clipped=1,
        ),
    ]
    row = summarize(CHIP, on_chip, baseline)
    assert (row.execution, row.weight_bits, row.chip) == ("chip", 4, 0)
    assert row.wer == 3 / 10
    assert row.relative_degradation == pytest.approx((0.3 - 0.1) / 0.1)
    assert row.loss == 10.0 / 5
    assert row.encoder_error == (25.0 / 400.0) ** 0.5
    assert row.clipped == 4 / 40
    assert row.cells == 50
    assert row.seconds_per_audio_second == 8.0 / 4.0
    assert (row.words, row.errors, row.utterances) == (10, 3, 2)


def test_degradation_is_undefined_without_errors_in_float():
    perfect = [batch(utterance(errors=0))]
    assert summarize(CHIP, [batch(utterance(errors=2), conversions=1)], perfect).relative_degradation is None


def test_float_has_neither_chip_figures_nor_degradation():
    batches = [batch(utterance(error_energy=0.0))]
    row = summarize(FLOAT, batches, batches)
    assert (row.weight_bits, row.chip, row.clipped, row.cells) == (None, None, None, None)
    assert (row.relative_degradation, row.encoder_error, row.difference_interval) == (0.0, 0.0, None)


def test_a_row_says_what_its_interval_was_taken_over():
    batches = [batch(utterance(), utterance("b", errors=0))]
    assert summarize(FLOAT, batches, batches).resampled == "utterances"
    assert summarize(CHIP, batches, batches).resampled == "utterances, on this chip alone"


def test_the_mean_of_chips_has_an_interval_over_them_too():
    utterances = [utterance(str(number), errors=number % 2, words=4) for number in range(40)]
    worse = [utterance(str(number), errors=number % 2 + 1, words=4) for number in range(40)]
    baseline, chips = [batch(*utterances)], [[batch(*utterances)], [batch(*worse)]]
    mean = mean_of_chips(4, chips, baseline)
    assert (mean.weight_bits, mean.chips, mean.lowest, mean.wer, mean.highest) == (4, 2, 0.125, 0.25, 0.375)
    assert mean.relative_degradation == 1.0
    assert mean.resampled == "utterances and chips"
    alone = summarize(CHIP, *[chips[0]] * 2).wer_interval
    assert mean.wer_interval[1] - mean.wer_interval[0] > 3 * (alone[1] - alone[0])


def test_a_batch_survives_json_to_the_last_bit():
    record = batch(utterance(nll=0.1 + 0.2, error_energy=1 / 3), seconds=1e-3 / 7)
    assert BatchRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_a_result_is_written_with_the_keys_users_rely_on(tmp_path):
    batches = [batch(utterance())]
    result = EvaluationResult((summarize(FLOAT, batches, batches),), "weights", {}, {}, {}, {})
    result.save(tmp_path / "new folder" / "result.json")
    data = json.loads((tmp_path / "new folder" / "result.json").read_text())
    assert set(data) == {"rows", "settings", "hardware", "versions", "corpus", "model", "means", "intervals"}
    assert data["intervals"]["not_contained"] == ["other trainings", "other speakers"]
    assert set(data["rows"][0]) == {
        "execution",
        "weight_bits",
        "chip",
        "wer",
        "wer_interval",
        "difference_interval",
        "resampled",
        "relative_degradation",
        "loss",
        "encoder_error",
        "clipped",
        "cells",
        "seconds_per_audio_second",
        "words",
        "errors",
        "utterances",
    }


def test_writing_replaces_a_file_and_leaves_nothing_else(tmp_path):
    write_atomically(tmp_path / "a.json", "old")
    write_atomically(tmp_path / "a.json", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "new"


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file/a\.json cannot be written"):
        write_atomically(tmp_path / "file" / "a.json", "text")


@pytest.mark.parametrize(
    ("execution", "text"),
    [(FLOAT, "float"), (Execution("quantized", 8), "quantized, 8 bit"), (CHIP, "chip 0, 4 bit")],
)
def test_executions_have_readable_names(execution, text):
    assert str(execution) == text
