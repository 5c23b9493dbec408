"""How far a training is: one bar for all of its epochs, and a line for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from memrix.asr.training.news import Epoch, Step
    from memrix.asr.training.setup import TrainingSetup

_SPEED_OVER = 600.0  # s; steps that take half a minute have a speed too


class TrainingDisplay:
    """A progress bar on stderr, and a line for each epoch.

    Args:
        console: stderr by default.
        clock: seconds, of the time that has passed.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("batch {task.fields[batch]}/{task.fields[batches]}"),
            TextColumn("loss {task.fields[loss]}"),
            _Pace(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            get_time=clock,
            speed_estimate_period=_SPEED_OVER,
        )
        # An experiment on trained recognizers has no step to show.
        self._task = self._progress.add_task(
            "", total=None, visible=False, epoch=0, epochs=0, batch=0, batches=0, loss="-"
        )
        self._under_way = False
        self._unit = "label"

    def __enter__(self) -> TrainingDisplay:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def report(self, news: Step | Epoch | TrainingSetup) -> None:
        """Show what has happened."""
        from memrix.asr.training.news import Epoch, Step

        if isinstance(news, Step):
            self._step(news)
        elif isinstance(news, Epoch):
            self._say(
                f"epoch {news.epoch + 1}: loss {news.loss:.3f}, held out {news.dev_loss:.3f}, "
                f"{self._unit} error rate {100 * news.dev_error_rate:.1f} %, {news.seconds:.0f} s"
            )
        else:
            self._begin(news)

    def _begin(self, setup: TrainingSetup) -> None:
        self._under_way = False
        self._unit = setup.recognizer.unit
        parameters = sum(parameter.numel() for parameter in setup.recognizer.network.parameters())
        self._say(
            f"{parameters / 1e6:.1f} million parameters, {len(setup.train)} utterances to learn from, "
            f"{len(setup.dev)} held out"
        )
        if setup.left_out:
            self._say(
                "left out, as they are too short for their transcripts or too long for the model: "
                f"{', '.join(setup.left_out)}"
            )

    def _step(self, step: Step) -> None:
        # Batches are of about the same size, but not as many in every epoch: epochs are what is counted.
        done = step.epoch + (step.batch + 1) / step.batches
        fields: dict[str, Any] = {
            "epoch": step.epoch + 1,
            "epochs": step.epochs,
            "batch": step.batch + 1,
            "batches": step.batches,
            "loss": f"{step.loss:.3f}",
        }
        if not self._under_way:
            # What a training that goes on had done before is not done in no time.
            # (rich annotates whole numbers here, and takes any.)
            self._progress.reset(self._task, total=step.epochs, completed=done, visible=True, **fields)  # type: ignore[arg-type]
            self._under_way = True
        self._progress.update(self._task, completed=done, **fields)

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)


class _Pace(ProgressColumn):
    """Seconds that a batch takes, once two are done."""

    def render(self, task: Task) -> Text:
        """The column of a task."""
        speed = task.finished_speed or task.speed
        return Text(f"{1.0 / (speed * task.fields['batches']):.2f} s/batch" if speed else "- s/batch")
