"""Evaluations of speech recognizers as a report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memrix._support.notebooks import html_table, html_text
from memrix.costing.units import in_joule, in_square_meter
from memrix.studies.rows import figure_cell, interval_cell


@dataclass(frozen=True)
class EvaluatedRow:
    """A row of the summary of an evaluation: see ``memrix.asr.evaluation.results.Row``."""

    execution: str
    hardware: str | None
    weight_bits: float | None
    chips: int
    wer: float
    wer_interval: tuple[float, float]
    deviation: float | None
    lowest: float | None
    highest: float | None
    clipped: float | None
    cells: int | None
    costs: Mapping[str, Any] | None = None

    @property
    def extremes(self) -> list[float]:
        """The rates of the lowest and the highest chip, where there are several."""
        return [rate for rate in (self.lowest, self.highest) if rate is not None]

    @property
    def cells_of_table(self) -> tuple[str, ...]:
        """The row as texts."""
        low, high = self.wer_interval
        taken = self.costs or {}
        return (
            self.hardware or self.execution,
            "" if self.weight_bits is None else f"{self.weight_bits:g}",
            str(self.chips or ""),
            f"{100 * self.wer:.2f}",
            interval_cell((100 * low, 100 * high)),
            figure_cell(None if self.deviation is None else 100 * self.deviation),
            "" if self.clipped is None else f"{self.clipped:.2%}",
            "" if self.cells is None else f"{self.cells:,}",
            in_joule(taken["energy"]) if "energy" in taken else "",
            in_square_meter(taken["area"]) if "area" in taken else "",
        )


@dataclass(frozen=True)
class Evaluation:
    """What a report shows of ``memrix evaluate`` and ``memrix experiment``; the table has the layout of notebooks."""

    model: str
    corpus: Mapping[str, Any]
    summary: tuple[EvaluatedRow, ...]

    def _repr_html_(self) -> str:
        head = ("system", "bits", "chips", "WER, %", "95 %", "deviation", "clipped", "cells", "energy", "area")
        corpus = (
            f"{self.corpus.get('name')}: {self.corpus.get('utterances')} utterances, {self.corpus.get('words')} words"
        )
        return html_table([head, *(row.cells_of_table for row in self.summary)]) + html_text(
            f"{self.model} on {corpus}. Energy of one utterance and area: of the first chip."
        )
