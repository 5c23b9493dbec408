"""Tables as all commands print them."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_ANY_WIDTH = 1000


def plain_table(title: str, caption: str | None) -> Table:
    """A table without a frame, for columns to be added."""
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )


def print_whole(table: Table, console: Console | None = None) -> None:
    """Print a table with every figure complete, however narrow the terminal."""
    console = console or Console()
    needed = Measurement.get(console, console.options.update(width=_ANY_WIDTH), table).maximum
    # A terminal that is narrower wraps the lines; rich would cut the figures.
    console.width = max(console.width, needed)
    console.print(table)
