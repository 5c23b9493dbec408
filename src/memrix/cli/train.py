"""`memrix train`: a recogniser from a corpus and one file of settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from memrix.cli.threads import use_threads

if TYPE_CHECKING:
    from memrix.asr.training.loop import Epoch, Step
    from memrix.asr.training.setup import TrainingSetup


def train(
    *,
    config: Path,
    output: Path,
    threads: Annotated[int | None, Parameter()] = None,
) -> None:
    """Train a speech recogniser: in float, with coarse weights, or on fresh chips.

    Interrupted or killed, the same command goes on where it stopped. Several processes: `devices` in the
    settings, `torchrun`, or SLURM.

    Parameters
    ----------
    config
        TOML file of settings; what it does not name keeps its default.
    output
        Folder of the training: its state, TensorBoard's files, and model.safetensors at the end.
    threads
        Threads that torch computes with.
    """
    from memrix.asr.training.loop import train as run
    from memrix.asr.training.settings import TrainingSettings
    from memrix.cli.messages import message

    settings = TrainingSettings.load(config)
    use_threads(threads)
    with TrainingDisplay() as display:
        result = run(settings, output, display.report)
    message(f"The recogniser is in {result}")


class TrainingDisplay:
    """Progress bars on stderr, and a line for each epoch."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} batches"),
            TextColumn("loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        # An experiment on trained recognisers has no step to show.
        self._task = self._progress.add_task("", total=None, visible=False, epoch=1, loss="-")

    def __enter__(self) -> TrainingDisplay:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def report(self, news: Step | Epoch | TrainingSetup) -> None:
        """Show what has happened."""
        from memrix.asr.training.loop import Epoch, Step

        if isinstance(news, Step):
            self._progress.update(
                self._task,
                visible=True,
                completed=news.batch + 1,
                total=news.batches,
                epoch=news.epoch + 1,
                loss=f"{news.loss:.3f}",
            )
        elif isinstance(news, Epoch):
            self._console.print(
                f"epoch {news.epoch + 1}: loss {news.loss:.3f}, held out {news.dev_loss:.3f}, "
                f"label error rate {100 * news.dev_error_rate:.1f} %, {news.seconds:.0f} s",
                highlight=False,
            )
        else:
            parameters = sum(parameter.numel() for parameter in news.recogniser.network.parameters())
            self._console.print(
                f"{parameters / 1e6:.1f} million parameters, {len(news.train)} utterances to learn from, "
                f"{len(news.dev)} held out",
                highlight=False,
            )
            if news.left_out:
                self._console.print(
                    f"left out, as they are too short for their transcripts: {', '.join(news.left_out)}",
                    highlight=False,
                )
