"""Progress on stderr, results on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from memrix.asr.evaluation.records import Execution
from memrix.asr.evaluation.report import NOTE, table_of, title_of
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.results import EvaluationResult, Row
from memrix.cli.tables import plain_table, print_whole

if TYPE_CHECKING:
    from memrix.asr.training.news import Report


class TerminalReporter(Reporter):
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
        self.note(f"{execution}: WER {100 * row.wer:.1f} %, {row.seconds_per_audio_second:.2f} s per second of audio")


def print_result(result: EvaluationResult, console: Console | None = None) -> None:
    """The table of an evaluation."""
    head, *rows = table_of(result)
    table = plain_table(title_of(result), NOTE)
    table.add_column(head[0], no_wrap=True)
    for name in head[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    print_whole(table, console)


@contextmanager
def shown_training() -> Iterator[Report]:
    """The display of one training of several; what is given back is told of every step."""
    from memrix.cli.training_display import TrainingDisplay

    with TrainingDisplay() as display:
        yield display.report
