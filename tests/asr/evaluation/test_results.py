import json
from dataclasses import replace

import pytest

from memrix.asr.evaluation.records import BatchRecord, Execution, UtteranceRecord
from memrix.asr.evaluation.results import EvaluationResult, summarize, transcripts_of
from memrix.asr.scoring import compare, wer_interval
from memrix.errors import DataError


def utterance(name="a", errors=1, words=4, nll=6.0, tokens=3, error_energy=9.0, float_energy=100.0):
    return UtteranceRecord(name, "said", "heard", errors, words, nll, tokens, error_energy, float_energy, 2.0)


def batch(*utterances, index=0, cells=0, seconds=1.0, conversions=0, clipped=0):
    return BatchRecord(index, cells, seconds, conversions, clipped, utterances)


FLOAT = Execution("float")
CHIP = Execution("chip", 4, 0, "paper")


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
    row = summarize(CHIP, [on_chip], baseline, baseline)
    assert (row.execution, row.hardware, row.weight_bits, row.chip, row.chips) == ("chip", "paper", 4, 0, 1)
    assert row.wer == 3 / 10
    assert row.over_float.relative == pytest.approx((0.3 - 0.1) / 0.1)
    assert row.over_float.absolute == pytest.approx(0.2)
    assert row.loss == 10.0 / 5
    assert row.output_error == (25.0 / 400.0) ** 0.5
    assert row.clipped == 4 / 40
    assert row.cells == 50
    assert row.seconds_per_audio_second == 8.0 / 4.0
    assert (row.words, row.errors, row.utterances) == (10, 3, 2)
    assert (row.deviation, row.label_error_rate) == (None, None)


def test_labels_have_a_rate_of_their_own():
    labeled = replace(utterance(), label_errors=3, labels=12)
    assert summarize(FLOAT, [[batch(labeled)]], [batch(labeled)]).label_error_rate == 0.25


def test_a_share_of_no_errors_in_float_is_unknown():
    perfect = [batch(utterance(errors=0))]
    over = summarize(CHIP, [[batch(utterance(errors=2), conversions=1)]], perfect).over_float
    assert (over.absolute, over.relative, over.relative_interval) == (0.5, None, None)


def test_float_has_neither_chip_figures_nor_degradation():
    batches = [batch(utterance(error_energy=0.0))]
    row = summarize(FLOAT, [batches], batches)
    assert (row.weight_bits, row.hardware, row.chip, row.chips, row.clipped, row.cells) == (None,) * 3 + (
        0,
        None,
        None,
    )
    assert (row.over_float, row.over_quantized, row.output_error) == (None, None, 0.0)


def test_a_row_says_what_its_interval_was_taken_over():
    batches = [batch(utterance(), utterance("b", errors=0))]
    assert summarize(FLOAT, [batches], batches).resampled == "utterances"
    assert summarize(CHIP, [batches], batches).resampled == "utterances, on this chip alone"


def test_the_mean_of_chips_has_intervals_over_them_too():
    utterances = [utterance(str(number), errors=number % 2, words=4) for number in range(40)]
    worse = [utterance(str(number), errors=number % 2 + 1, words=4) for number in range(40)]
    baseline, chips = [batch(*utterances)], [[batch(*utterances)], [batch(*worse)]]
    mean = summarize(CHIP, chips, baseline, baseline)
    assert (str(mean), mean.chip, mean.chips) == ("paper, 4 bit", None, 2)
    assert (mean.lowest, mean.wer, mean.highest, mean.errors) == (0.125, 0.25, 0.375, 40)
    errors = [[item.errors for item in part] for part in (utterances, worse)]
    words = [item.words for item in utterances]
    assert mean.wer_interval == wer_interval(errors, words)
    found = compare(errors, errors[0], words, resamples=2000)
    assert (mean.over_float.relative, mean.over_float.relative_interval) == (1.0, found.relative_interval)
    assert mean.over_quantized == mean.over_float
    assert mean.resampled == "utterances and chips"
    alone = summarize(CHIP, chips[:1], baseline).wer_interval
    assert mean.wer_interval[1] - mean.wer_interval[0] > 3 * (alone[1] - alone[0])


def test_a_result_is_written_with_the_keys_users_rely_on(tmp_path):
    batches = [batch(utterance())]
    row = summarize(FLOAT, [batches], batches)
    result = EvaluationResult((row,), (row,), "weights", {}, {}, {}, {})
    result.save(tmp_path / "new folder" / "result.json")
    data = json.loads((tmp_path / "new folder" / "result.json").read_text())
    known = {"rows", "summary", "settings", "hardware", "versions", "corpus", "model", "intervals"}
    assert set(data) == {*known, "low_bit", "decoding", "transcripts"}
    assert data["intervals"]["not_contained"] == ["other trainings", "other speakers"]
    assert data["rows"] == data["summary"]
    assert set(data["rows"][0]) == {
        *("execution", "hardware", "weight_bits", "chip", "chips"),
        *("wer", "wer_interval", "resampled", "deviation", "lowest", "highest", "over_float", "over_quantized"),
        *("label_error_rate", "loss", "output_error", "clipped", "cells", "seconds_per_audio_second", "costs"),
        *("words", "errors", "utterances"),
    }


def test_transcripts_of_all_executions_stand_side_by_side():
    said = [utterance("a", errors=0), utterance("b", errors=2)]
    heard = [utterance("a", errors=1), utterance("b", errors=3)]
    found = transcripts_of({FLOAT: [batch(said[0]), batch(said[1])], CHIP: [batch(*heard)]})
    assert [item.id for item in found] == ["a", "b"]
    assert found[1].heard == {"float": said[1].hypothesis, str(CHIP): heard[1].hypothesis}
    assert found[1].errors == {"float": 2, str(CHIP): 3}


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    row = summarize(FLOAT, [[batch(utterance())]], [batch(utterance())])
    with pytest.raises(DataError, match=r"the folder .*file cannot be used"):
        EvaluationResult((row,), (row,), "weights", {}, {}, {}, {}).save(tmp_path / "file" / "a.json")


@pytest.mark.parametrize(
    ("execution", "text"),
    [(FLOAT, "float"), (Execution("quantized", 1.5), "quantized, 1.5 bit"), (CHIP, "paper, 4 bit, chip 0")],
)
def test_executions_have_readable_names(execution, text):
    assert str(execution) == text
