"""The word error rates of an experiment: rows for a table, a file and a chart."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from memrix.asr.experiment.run import ExperimentResult
from memrix.asr.experiment.systems import Measurement, as_table
from memrix.asr.scoring import (
    INTERVALS_NOTE,
    compare,
    intervals_described,
    resampled,
    wer_interval,
    word_error_rate,
)


@dataclass(frozen=True)
class Row:
    """Word error rates of the chips of one kind, or of one digital recognizer; shares, 0.04 is 4 %.

    Attributes:
        name: what it is.
        bits: of the weights; None in float.
        variant: name of the kind of chip; empty where there is none.
        rate: mean over chips.
        deviation, lowest, highest: over chips; None for one system.
        interval: of the rate, 95 %, by ``wer_interval``.
        label_error_rate: by greedy search, mean over chips.
        over_float: relative difference to the float recognizer, with its paired 95 % interval; None for itself.
        over_quantized: the same to the same network quantized digitally; None for digital ones.
        cells: of one chip.
        clipped: share of conversions beyond the converters' range.
        chips: how many the rates are the mean of; 0 for a digital recognizer.
        resampled: what the intervals were taken over.
    """

    name: str
    bits: float | None
    variant: str
    rate: float
    deviation: float | None
    lowest: float | None
    highest: float | None
    interval: tuple[float, float]
    label_error_rate: float
    over_float: tuple[float, float, float] | None
    over_quantized: tuple[float, float, float] | None
    cells: int
    clipped: float
    chips: int
    resampled: str


def rows_of(result: ExperimentResult) -> list[Row]:
    """Float, then for every number of bits the quantized recognizer and each kind of chip."""
    floating = result.of("float")
    rows = [_row("float", floating, None, None)]
    for bits in result.settings.weight_bits:
        quantized = result.of("quantized", bits)
        rows.append(_row(f"quantized, {bits:g} bit", quantized, floating[0], None))
        for variant in result.settings.variants(bits):
            chips = result.of("chip", bits, variant)
            rows.append(_row(f"{variant}, {bits:g} bit", chips, floating[0], quantized[0]))
    return rows


def to_json(result: ExperimentResult) -> dict[str, Any]:
    """Everything but the transcripts."""
    return {
        "settings": asdict(result.settings),
        "corpus": result.corpus,
        "part": result.settings.part or "test",
        "utterances": len(result.measurements[0].ids),
        "words": sum(result.measurements[0].words),
        "search": asdict(result.trained.search),
        "intervals": intervals_described(),
        "rows": [asdict(row) for row in rows_of(result)],
        "systems": [as_table(measurement) for measurement in result.measurements],
    }


HEAD = ("system", "WER", "95 %", "sd", "min", "max", "label errors", "over float", "over quantized", "cells")
"""Of the columns that ``cells_of`` fills."""


def cells_of(row: Row) -> tuple[str, ...]:
    """A row as texts, rates in percent."""
    return (
        row.name,
        f"{100 * row.rate:.2f}",
        f"{100 * row.interval[0]:.1f} to {100 * row.interval[1]:.1f}",
        *("" if value is None else f"{100 * value:.2f}" for value in (row.deviation, row.lowest, row.highest)),
        f"{100 * row.label_error_rate:.1f}",
        *(
            "" if figures is None else "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * value for value in figures))
            for figures in (row.over_float, row.over_quantized)
        ),
        f"{row.cells / 1e6:.1f} M" if row.cells else "",
    )


def to_markdown(result: ExperimentResult) -> str:
    """The table of an experiment, and what its intervals are."""
    lines = [HEAD, ["---"] * len(HEAD), *(cells_of(row) for row in rows_of(result))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{INTERVALS_NOTE}\n"


def _row(
    name: str, measured: Sequence[Measurement], floating: Measurement | None, quantized: Measurement | None
) -> Row:
    words = measured[0].words
    rates = [word_error_rate(item.errors, words) for item in measured]
    errors = [item.errors for item in measured]  # [chips, utterances]
    several = len(measured) > 1
    system = measured[0].system
    return Row(
        name=name,
        bits=system.bits,
        variant=system.variant,
        rate=statistics.mean(rates),
        deviation=statistics.stdev(rates) if several else None,
        lowest=min(rates) if several else None,
        highest=max(rates) if several else None,
        interval=wer_interval(errors, words),
        label_error_rate=statistics.mean(item.label_errors / max(item.labels, 1) for item in measured),
        over_float=_relative(errors, floating, words),
        over_quantized=_relative(errors, quantized, words),
        cells=measured[0].cells,
        clipped=statistics.mean(item.clipped for item in measured),
        chips=len(measured) if system.kind == "chip" else 0,
        resampled=resampled(system.kind, len(measured)),
    )


def _relative(
    errors: Sequence[Sequence[int]], baseline: Measurement | None, words: Sequence[int]
) -> tuple[float, float, float] | None:
    if baseline is None:
        return None
    comparison = compare(errors, baseline.errors, words)
    return (comparison.relative, *comparison.relative_interval)
