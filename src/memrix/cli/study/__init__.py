"""`memrix study`: what a chip loses, and to which cause."""

from __future__ import annotations

from cyclopts import App

from memrix.cli.study.causes import causes
from memrix.cli.study.wires import wires

app = App(name="study", help="Measure what a chip loses, and to which cause.", help_format="markdown")
app.command(causes)
app.command(wires)
