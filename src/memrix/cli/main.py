"""Entry point of the `memrix` command: its subcommands, and how errors leave it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError
from rich.console import Console

from memrix.cli.arguments import remember_command
from memrix.cli.corpus import app as corpus_app
from memrix.cli.demo import demo
from memrix.cli.device import app as device_app
from memrix.cli.evaluate import evaluate
from memrix.cli.experiment import app as experiment_app
from memrix.cli.lm import app as lm_app
from memrix.cli.pack import pack
from memrix.cli.report import report
from memrix.cli.study import app as study_app
from memrix.cli.train import train
from memrix.cli.transcribe import transcribe
from memrix.errors import MemrixError

# Threads that spin while they wait make a busy machine many times slower; the library reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

app = App(
    name="memrix",
    help="Run neural networks on a simulated memristor chip, and measure the degradation.",
    version=lambda: version("memrix"),
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
app.command(corpus_app)
app.command(demo)
app.command(device_app)
app.command(evaluate)
app.command(experiment_app)
app.command(pack)
app.command(report)
app.command(study_app)
app.command(train)
app.command(transcribe)
app.command(lm_app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with ``arguments`` (those of the process by default); the exit code."""
    errors = Console(stderr=True)
    remember_command(sys.argv[1:] if arguments is None else arguments)
    try:
        status = app(
            arguments,
            error_console=errors,
            exit_on_error=False,
            result_action="return_value",
        )
    except CycloptsError:
        return EXIT_ERROR  # cyclopts has printed what is wrong
    except MemrixError as error:
        errors.print(f"Error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return EXIT_ERROR
    except KeyboardInterrupt:
        errors.print(
            "\nInterrupted. Finished work is kept: the same command resumes where it stopped.",
            soft_wrap=True,
        )
        return EXIT_INTERRUPTED
    return status if isinstance(status, int) else 0


def run() -> None:
    """Console entry point."""
    sys.exit(main())
