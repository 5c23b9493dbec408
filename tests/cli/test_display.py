import io

import pytest
from rich.console import Console

from memrix.asr.evaluation.records import Execution
from memrix.asr.evaluation.results import Difference, EvaluationResult, Row
from memrix.cli.display import TerminalReporter, print_result


def row(execution, bits=None, hardware=None, chip=None, **changes):
    figures = {
        "chips": int(execution == "chip"),
        "wer": 0.0432,
        "wer_interval": (0.0123, 0.0774),
        "resampled": "utterances",
        "deviation": None,
        "lowest": None,
        "highest": None,
        "over_float": None,
        "over_quantized": None,
        "label_error_rate": None,
        "loss": 1.2345,
        "output_error": 0.3574,
        "clipped": None,
        "cells": None,
        "seconds_per_audio_second": 0.126,
        "words": 345,
        "errors": 15,
        "utterances": 40,
        **changes,
    }
    return Row(execution, hardware, bits, chip, **figures)


WORST = row(
    "chip",
    16,
    "paper",
    9,
    wer=1.3234,
    wer_interval=(1.2734, 1.3884),
    over_float=Difference(1.28, (1.2, 1.3), 29.77, (28.0, 31.0)),
    clipped=0.1234,
    cells=234_567_890,
    seconds_per_audio_second=321.4,
)


def printed(*rows, width=80, skipped=0):
    corpus = {"name": "prompts", "utterances": 40, "words": 345, "skipped": skipped}
    result = EvaluationResult(rows, rows, "", corpus, {"model": "/models/tiny"}, {}, {})
    output = io.StringIO()
    print_result(result, Console(file=output, width=width))
    return output.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_figure_is_cut_at_any_width(width):
    text = printed(row("float"), row("quantized", 16), WORST, width=width)
    figures = ["paper, 16 bit, chip 9", "132.3", "127.3 to 138.8", "+2977.0 (+2800.0 to +3100.0)", "0.357", "1.234"]
    line = next(line for line in text.splitlines() if line.startswith("paper"))
    assert [figure for figure in (*figures, "12.3", "235M", "321.40") if figure not in line] == []
    assert "…" not in text


def test_a_column_without_figures_is_left_out():
    lines = printed(row("float"), row("quantized", 8)).splitlines()
    assert lines[1].split() == ["system", "WER", "95", "%", "error", "loss", "s/s"]
    assert next(line for line in lines if line.startswith("float")).split() == [
        *("float", "4.32", "1.2", "to", "7.7", "0.357", "1.234", "0.13")
    ]
    assert "over float" in printed(row("float"), WORST)


def test_several_chips_have_one_row():
    mean = row(
        "chip", 4, "tuned", chips=3, wer=0.06, deviation=0.01, over_float=Difference(0.0, (0.0, 0.0), None, None)
    )
    line = next(line for line in printed(row("float"), mean).splitlines() if line.startswith("tuned"))
    assert line.split()[:9] == ["tuned,", "4", "bit", "x", "3", "6.00", "1.2", "to", "7.7"]


def test_the_note_says_what_intervals_hold_and_what_they_do_not():
    note = " ".join(printed(row("float")).split())
    assert "that of one chip is of this chip alone. None holds other trainings or other speakers." in note


def test_the_title_counts_what_was_evaluated_and_skipped():
    assert " ".join(printed(row("float")).split()).startswith("tiny on prompts: 40 utterances, 345 words")
    skipping = " ".join(printed(row("float"), skipped=3).split())
    assert skipping.startswith("tiny on prompts: 40 utterances (3 skipped), 345 words")


def test_elsewhere_than_on_a_terminal_progress_is_one_line_per_execution():
    output = io.StringIO()
    reporter = TerminalReporter(Console(file=output, width=80))
    with reporter.stage("chip 0, 4 bit", 40) as advance:
        advance(20)
    reporter.row(Execution("chip", 4, 0, "paper"), WORST)
    assert output.getvalue() == "paper, 4 bit, chip 0: WER 132.3 %, 321.40 s per second of audio\n"


def test_on_a_terminal_a_bar_shows_the_stage():
    output = io.StringIO()
    reporter = TerminalReporter(Console(file=output, width=80, force_terminal=True))
    with reporter.stage("chip 0, 4 bit", 40) as advance:
        advance(20)
    assert "chip 0, 4 bit" in output.getvalue()
    assert "━" in output.getvalue()
