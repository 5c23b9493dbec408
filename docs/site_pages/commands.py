"""The page of the command line, from the commands themselves."""

from __future__ import annotations

import re

from memrix.cli.main import app


def commands_page() -> str:
    """What ``memrix COMMAND --help`` says of every command, as cyclopts writes it."""
    text = app.generate_docs(output_format="markdown", recursive=True)
    # The site has a table of contents of its own.
    text = re.sub(r"(?ms)^## Table of Contents$.*?(?=^\*\*Commands)", "", text)
    text = text.replace("# memrix\n", "# Command line\n", 1)
    # Their files are pages here.
    return re.sub(r"\bdocs/(\w+)\.md\b", r"[\1](../\1.md)", text)
