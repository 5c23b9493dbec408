"""Charts as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memrix._support.wording import explained
from memrix.errors import DataError


def save_chart(figure: Any, path: Path) -> Path:  # noqa: ANN401 - of matplotlib, which no core module imports
    """Write a chart; its folder is made if need be.

    Args:
        figure: of matplotlib.
        path: of a .png, .svg or .pdf file.

    Returns:
        The path.

    Raises:
        DataError: the file cannot be written.
    """
    fix, caught = "name another place, and a .png, .svg or .pdf", (OSError, ValueError)
    with explained(DataError, f"the chart {path} cannot be written", fix, caught):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    return path
