"""``memrix.report``: results of studies, evaluations and a chip as one page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from memrix._support.documents import file_path, write_whole
from memrix._support.validation import shown
from memrix.errors import DataError, SettingsError
from memrix.reporting.page import page, require_libraries
from memrix.reporting.reading import found_in
from memrix.reporting.sections import of_chip, sections


def report(
    results: Any,  # noqa: ANN401 - paths and results, one or several
    path: str | Path,
    *,
    chip: nn.Module | None = None,
    batches: Iterable[Any] | None = None,
    title: str = "memrix report",
    command: str = "",
) -> Path:
    """Write results as one HTML page, which works offline: charts, tables, and how the results were made.

    A section is in the page if its data are: metric over settings, chips, sensitivity of layers, causes of error,
    allocation of bits; with a chip, states of its cells and wires of a tile; with inputs of it, histograms of its
    ADCs, energy and area. The page says what it does not contain, and which command would add it.

    Args:
        results: folders and files that the commands ``memrix study``, ``memrix evaluate`` and ``memrix experiment``
            have written, and what studies, ``memrix.costs`` and evaluations return; one of these, or several. An
            empty list with a chip: a page of the chip alone.
        path: of the HTML file; one that is there is replaced.
        chip: as ``memrix.program`` or ``memrix.load`` gives it; it is unchanged.
        batches: inputs of the chip, as for ``memrix.costs``.
        title: of the page.
        command: that the page says it was made with.

    Returns:
        The path.

    Raises:
        MemrixError: plotly or jinja2 is not installed.
        DataError: results are missing, damaged or of a memrix whose results this one cannot read; or the page cannot
            be written.
        SettingsError: there is nothing to report, something is no result, or batches come without a chip.
        CalibrationError, InputError: the chip cannot be run on a batch.
    """
    require_libraries()
    target = file_path(path, DataError, "the path of a report")
    several = isinstance(results, Sequence) and not isinstance(results, (str, os.PathLike))
    given = list(results) if several else [results]
    if chip is not None and not isinstance(chip, nn.Module):
        raise SettingsError(f"chip must be a chip, as memrix.program gives it, got {shown(chip)}")
    if batches is not None and chip is None:
        raise SettingsError("batches are inputs of a chip; give the chip too, or leave them out")
    if not given and chip is None:
        raise SettingsError("there is nothing to report; name folders or files of results, or give a chip")
    found = found_in(given)
    figures = None if chip is None else of_chip(chip, batches)
    text = page(title, sections(found, figures), found, command)
    write_whole(target, text.encode())
    return target
