"""How an evaluation tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from memrix.asr.evaluation.records import Execution
from memrix.asr.evaluation.results import Row


class Reporter:
    """Hears how far an evaluation is, and says nothing; others say it."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[float], None]]:
        """A stretch of work of ``total`` steps; what is given back takes the number of steps done."""
        return nullcontext(lambda done: None)

    def row(self, execution: Execution, row: Row) -> None:
        """An execution is complete."""
