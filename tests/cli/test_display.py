import io

import pytest
from rich.console import Console

from memrix.asr.evaluation.results import ChipMean, EvaluationResult, Execution, Row
from memrix.cli.display import TerminalReporter, print_result


def row(execution, bits=None, chip=None, **changes):
    figures = {
        "wer": 0.0432,
        "wer_interval": (0.0123, 0.0774),
        "difference_interval": (0.0, 0.0),
        "resampled": "utterances",
        "relative_degradation": 0.0,
        "loss": 1.2345,
        "encoder_error": 0.3574,
        "clipped": None,
        "cells": None,
        "seconds_per_audio_second": 0.126,
        "words": 345,
        "errors": 15,
        "utterances": 40,
        **changes,
    }
    return Row(execution, bits, chip, **figures)


WORST = row(
    "chip",
    16,
    9,
    wer=1.3234,
    wer_interval=(1.2734, 1.3884),
    relative_degradation=29.77,
    clipped=0.1234,
    cells=234_567_890,
    seconds_per_audio_second=321.4,
)


def printed(*rows, width=80, skipped=0, means=()):
    corpus = {"name": "prompts", "utterances": 40, "words": 345, "skipped": skipped}
    settings = {"model": "/models/tiny", "hardware_name": "paper"}
    output = io.StringIO()
    print_result(EvaluationResult(rows, "", corpus, settings, {}, {}, means), Console(file=output, width=width))
    return output.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_figure_is_cut_at_any_width(width):
    text = printed(row("float"), row("quantized", 16), WORST, width=width)
    figures = ["chip 9, 16 bit", "132.3", "127.3-138.8", "+2977", "0.357", "1.234", "12.3", "235M", "321.40"]
    line = next(line for line in text.splitlines() if line.startswith("chip"))
    assert [figure for figure in figures if figure not in line] == []
    assert "…" not in text


def test_the_table_fits_eighty_columns():
    text = printed(row("float"), row("quantized", 16), WORST)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80


def test_figures_that_do_not_exist_are_dashes():
    line = next(line for line in printed(row("float", relative_degradation=None)).splitlines() if "float" in line)
    assert line.split() == ["float", "4.3", "1.2-7.7", "-", "0.357", "1.234", "-", "-", "0.13"]


def test_several_chips_have_a_row_of_their_mean():
    interval = (0.04, 0.09)
    mean = ChipMean(4, 3, 0.06, 0.01, 0.05, 0.07, interval, (0.0, 0.05), "utterances and chips", 0.5)
    text = printed(row("float"), means=(mean,))
    line = next(line for line in text.splitlines() if line.startswith("3 chips"))
    assert line.split() == ["3", "chips,", "4", "bit", "6.0", "4.0-9.0", "+50"]


def test_the_note_says_what_intervals_hold_and_what_they_do_not():
    note = " ".join(printed(row("float")).split())
    assert "that of one chip is of this chip alone. None holds other trainings or other speakers." in note


def test_the_title_counts_what_was_evaluated_and_skipped():
    assert printed(row("float")).startswith("tiny on prompts: 40 utterances, 345 words; hardware: paper")
    assert "40 utterances (3 skipped), 345 words" in printed(row("float"), skipped=3)


def test_elsewhere_than_on_a_terminal_progress_is_one_line_per_execution():
    output = io.StringIO()
    reporter = TerminalReporter(Console(file=output, width=80))
    with reporter.stage("chip 0, 4 bit", 40) as advance:
        advance(20)
    reporter.row(Execution("chip", 4, 0), WORST)
    assert output.getvalue() == "chip 0, 4 bit: WER 132.3 %, 321.40 s per second of audio\n"


def test_on_a_terminal_a_bar_shows_the_stage():
    output = io.StringIO()
    reporter = TerminalReporter(Console(file=output, width=80, force_terminal=True))
    with reporter.stage("chip 0, 4 bit", 40) as advance:
        advance(20)
    assert "chip 0, 4 bit" in output.getvalue()
    assert "━" in output.getvalue()
