"""The table of an evaluation: columns, and its rows as texts."""

from __future__ import annotations

from pathlib import Path

from memrix.asr.evaluation.results import Difference, EvaluationResult, Row
from memrix.asr.scoring import INTERVALS_NOTE

HEAD = (
    *("system", "WER", "95 %", "sd", "over float", "over quantized"),
    *("labels", "error", "loss", "clip.", "cells", "s/s"),
)
"""Of the columns that ``cells_of`` fills."""
NOTE = (
    "Rates in %. sd: over chips. over float, over quantized: relative difference of WER, with its paired interval. "
    "labels: their error rate without a language model. error: relative deviation of the encoded speech from float. "
    "loss: on the reference text, nats per token or label. clip.: share of the ADC conversions. s/s: seconds per "
    f"second of audio. {INTERVALS_NOTE}"
)
_MISSING = "-"


def title_of(result: EvaluationResult) -> str:
    """What was evaluated on what."""
    corpus, settings = result.corpus, result.settings
    skipped = f" ({corpus['skipped']} skipped)" if corpus["skipped"] else ""
    return (
        f"{Path(settings['model']).name} on {corpus['name']}: {corpus['utterances']} utterances{skipped}, "
        f"{corpus['words']} words"
    )


def cells_of(row: Row) -> tuple[str, ...]:
    """A row as texts, rates in percent."""
    low, high = row.wer_interval
    return (
        f"{row} x {row.chips}" if row.chips > 1 else str(row),
        f"{100 * row.wer:.2f}",
        f"{100 * low:.1f} to {100 * high:.1f}",
        _percent(row.deviation, 2),
        _difference(row.over_float),
        _difference(row.over_quantized),
        _percent(row.label_error_rate, 1),
        f"{row.output_error:.3f}",
        f"{row.loss:.3f}",
        _percent(row.clipped, 1),
        _MISSING if row.cells is None else engineering(row.cells),
        f"{row.seconds_per_audio_second:.2f}",
    )


def table_of(result: EvaluationResult) -> list[tuple[str, ...]]:
    """Head and rows of the summary, without columns that have nothing in any row."""
    rows = [cells_of(row) for row in result.summary]
    filled = [number for number in range(len(HEAD)) if any(row[number] != _MISSING for row in rows)]
    return [tuple(row[number] for number in filled) for row in (HEAD, *rows)]


def to_markdown(result: EvaluationResult) -> str:
    """The table of an evaluation, and what its columns are."""
    head, *rows = table_of(result)
    table = "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))
    return f"{title_of(result)}\n\n{table}\n\n{NOTE}\n"


def engineering(count: int) -> str:
    """A count in three digits or so: 226M."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{count / factor:.3g}{unit}"
    return str(count)


def _percent(share: float | None, digits: int) -> str:
    return _MISSING if share is None else f"{100 * share:.{digits}f}"


def _difference(difference: Difference | None) -> str:
    if difference is None or difference.relative is None:
        return _MISSING
    ends = difference.relative_interval
    interval = "" if ends is None else " ({:+.1f} to {:+.1f})".format(*(100 * end for end in ends))
    return f"{100 * difference.relative:+.1f}{interval}"
