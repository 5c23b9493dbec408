"""`memrix study`: what a chip loses, to which cause, over which settings, and what its readings cost."""

from __future__ import annotations

from cyclopts import App

from memrix.cli.study.allocate import allocate
from memrix.cli.study.attribution import attribution
from memrix.cli.study.causes import causes
from memrix.cli.study.chips import chips
from memrix.cli.study.cost import cost
from memrix.cli.study.sensitivity import sensitivity
from memrix.cli.study.sweep import sweep
from memrix.cli.study.wires import wires

app = App(
    name="study",
    help="Measure what a chip loses, to which cause, over which settings, and what its readings cost.",
    help_format="markdown",
)
app.command(allocate)
app.command(attribution)
app.command(causes)
app.command(chips)
app.command(cost)
app.command(sensitivity)
app.command(sweep)
app.command(wires)
