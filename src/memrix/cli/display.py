"""Progress on stderr, results on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from memrix.asr.evaluation.results import ChipMean, EvaluationResult, Execution, Row
from memrix.asr.scoring import INTERVALS_NOTE
from memrix.cli.tables import plain_table, print_whole

_MISSING = "-"


class TerminalReporter:
    """Progress bars on a terminal; elsewhere one plain line per execution."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def note(self, text: str) -> None:
        """Print a line above the progress bars."""
        # Paths and messages stay on one line, so that they can be copied and searched for.
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[float], None]]:
        """A progress bar for as long as the stage lasts."""
        with self._progress:
            task = self._progress.add_task(name, total=total)
            try:
                yield lambda done: self._progress.update(task, completed=done)
            finally:
                self._progress.remove_task(task)

    def row(self, execution: Execution, row: Row) -> None:
        """One line for a finished execution."""
        self.note(f"{execution}: WER {_percent(row.wer)} %, {_pace(row)} s per second of audio")


def print_result(result: EvaluationResult, console: Console | None = None) -> None:
    """The table of an evaluation."""
    print_whole(result_table(result), console)


def result_table(result: EvaluationResult) -> Table:
    """One row per execution, and one for the mean of chips of the same bits."""
    corpus, settings = result.corpus, result.settings
    skipped = f" ({corpus['skipped']} skipped)" if corpus["skipped"] else ""
    table = plain_table(
        title=f"{Path(settings['model']).name} on {corpus['name']}: {corpus['utterances']} utterances"
        f"{skipped}, {corpus['words']} words; hardware: {settings['hardware_name']}",
        caption="degr.: WER relative to float. enc. error: relative deviation of the encoder's output from "
        "float. loss: on the reference text, nats per token. clip.: share of the ADC conversions. "
        f"s/s: seconds per second of audio. {INTERVALS_NOTE}",
    )
    table.add_column("execution", no_wrap=True)
    for heading in (
        "WER\n%",
        "95 %\ninterval",
        "degr.\n%",
        "enc.\nerror",
        "loss",
        "clip.\n%",
        "cells",
        "s/s",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(*_cells(row))
    for mean in result.means:
        table.add_row(str(mean), *_rates(mean))
    return table


def _rates(row: Row | ChipMean) -> tuple[str, ...]:
    low, high = row.wer_interval
    return (
        _percent(row.wer),
        f"{_percent(low)}-{_percent(high)}",
        _MISSING if row.relative_degradation is None else f"{100 * row.relative_degradation:+.0f}",
    )


def _cells(row: Row) -> tuple[str, ...]:
    execution = Execution(row.execution, row.weight_bits, row.chip)
    return (
        str(execution),
        *_rates(row),
        f"{row.encoder_error:.3f}",
        f"{row.loss:.3f}",
        _MISSING if row.clipped is None else _percent(row.clipped),
        _MISSING if row.cells is None else _engineering(row.cells),
        _pace(row),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _pace(row: Row) -> str:
    return f"{row.seconds_per_audio_second:.2f}"


def _engineering(count: int) -> str:
    """A count in three digits or so: 226M."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{count / factor:.3g}{unit}"
    return str(count)
