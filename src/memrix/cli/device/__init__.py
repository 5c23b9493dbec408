"""`memrix device`: device models: fit them to measurements, show their behavior, compare programming protocols."""

from __future__ import annotations

from cyclopts import App

from memrix.cli.device.example import example
from memrix.cli.device.fit import fit
from memrix.cli.device.protocols import protocols
from memrix.cli.device.show import show

app = App(
    name="device",
    help="Fit a device model to measurements, and show what its cells do.",
    help_format="markdown",
)
for command in (fit, show, protocols, example):
    app.command(command)
