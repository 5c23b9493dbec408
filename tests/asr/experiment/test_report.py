"""Rows, table and file of an experiment, from measurements written down by hand."""

from pathlib import Path

import pytest

from memrix.asr.experiment.report import rows_of, to_json, to_markdown
from memrix.asr.experiment.run import ExperimentResult
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.experiment.systems import Measurement, System
from memrix.asr.experiment.trained import TrainedRecognizers
from memrix.asr.scoring import compare, wer_interval
from memrix.asr.search.settings import SearchSettings

WORDS = (4,) * 60
FLOAT = tuple(1 if number % 3 == 0 else 0 for number in range(60))
QUANTIZED = tuple(1 if number % 2 == 0 else 0 for number in range(60))
CHIPS = (tuple(1 if number % 2 == 0 else 0 for number in range(60)), tuple(1 for _ in range(60)))


def measurement(system, errors):
    names = tuple(map(str, range(len(errors))))
    return Measurement(system, names, errors, WORDS, sum(errors), 400, names, 7, 0.0, 1.0)


def result(*chips):
    settings = ExperimentSettings(weight_bits=(4,), chips=len(chips))
    measured = [
        measurement(System("float"), FLOAT),
        measurement(System("quantized", 4), QUANTIZED),
        *(measurement(System("chip", 4, "paper", number), errors) for number, errors in enumerate(chips)),
    ]
    trained = TrainedRecognizers(Path("f"), (), Path("lm"), SearchSettings())
    return ExperimentResult(settings, "tones", trained, tuple(measured))


def test_the_interval_of_several_chips_is_over_chips_and_utterances():
    row = rows_of(result(*CHIPS))[2]
    assert (row.chips, row.resampled, row.rate) == (2, "utterances and chips", 45 / 240)
    assert row.interval == wer_interval(CHIPS, WORDS)
    assert row.over_float[1:] == compare(CHIPS, FLOAT, WORDS).relative_interval
    assert row.over_quantized[1:] == compare(CHIPS, QUANTIZED, WORDS).relative_interval
    # Chips of 30 and 60 errors: their mean alone is known to 12.7 x 15 errors.
    assert row.interval[1] > 0.8


def test_the_interval_of_one_chip_is_of_this_chip_alone():
    row = rows_of(result(CHIPS[0]))[2]
    assert (row.chips, row.resampled) == (1, "utterances, on this chip alone")
    assert row.interval == wer_interval(CHIPS[0], WORDS)


def test_digital_rows_are_of_no_chip():
    for row in rows_of(result(*CHIPS))[:2]:
        assert (row.chips, row.resampled) == (0, "utterances")


def test_table_and_file_say_what_intervals_do_not_contain():
    table = to_json(result(*CHIPS))
    assert table["intervals"]["not_contained"] == ["other trainings", "other speakers"]
    assert [row["resampled"] for row in table["rows"]] == ["utterances", "utterances", "utterances and chips"]
    assert to_markdown(result(*CHIPS)).rstrip().endswith("None holds other trainings or other speakers.")


def test_relative_differences_are_those_of_the_means():
    row = rows_of(result(*CHIPS))[2]
    assert row.over_float[0] == pytest.approx(45 / 20 - 1)
    assert row.over_quantized[0] == pytest.approx(45 / 30 - 1)
