"""Tables of measurements: printed, and kept in docs/speed.md."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

DOCUMENT = Path(__file__).parents[1] / "docs" / "speed.md"
_INTRODUCTION = """\
# Speed and memory

Made by `make bench`. Every figure is the median over calls that took turns with what it is compared with, in one
process; ratios are taken turn by turn. A bound is what the project promises.

"""


@dataclass(frozen=True)
class Table:
    """One benchmark: a title, the columns' names, rows of text, and what has to be said about them."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    remark: str = ""

    def to_markdown(self) -> str:
        """A heading, a table and the remark."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        table = "".join("| " + " | ".join(line) + " |\n" for line in lines)
        return f"## {self.title}\n\n{table}" + (f"\n{self.remark}\n" if self.remark else "")


def write(tables: Sequence[Table]) -> None:
    """Write all tables and the machine they were measured on."""
    machine = (
        f"{platform.machine()}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}.\n\n"
    )
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(_INTRODUCTION + machine + "\n".join(t.to_markdown() for t in tables), encoding="utf-8")
    print(f"\nwritten to {DOCUMENT}")
