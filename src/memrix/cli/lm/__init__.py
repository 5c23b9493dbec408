"""`memrix lm`: n-gram language models for decoding."""

from __future__ import annotations

from cyclopts import App

from memrix.cli.lm.estimate import estimate
from memrix.cli.lm.perplexity import perplexity

app = App(
    name="lm",
    help="Estimate n-gram language models from text, and measure their perplexity.",
    help_format="markdown",
)
for command in (estimate, perplexity):
    app.command(command)
