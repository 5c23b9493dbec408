"""Files that a command is to write: checked before any work is done."""

from __future__ import annotations

import tempfile
from pathlib import Path

from memrix._support.wording import explained
from memrix.errors import DataError

CHART_FORMATS = (".png", ".svg", ".pdf")


def check_distinct(*paths: Path | None) -> None:
    """Make sure that no file of a command is another one of it.

    Raises:
        DataError: two paths are those of one file.
    """
    seen: set[Path] = set()
    for path in paths:
        if path is None:
            continue
        if path.resolve() in seen:
            raise DataError(f"{path} is named twice: what is read and what is written must be different files")
        seen.add(path.resolve())


def check_folder(path: Path | None) -> None:
    """Make sure, before any work is done, that files can be written into a folder, which is made if need be.

    Raises:
        DataError: a file, or a place that cannot be written to.
    """
    if path is None:
        return
    _require_name(path)
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file; name a folder")
    _require_place(path, path)


def check_output(path: Path | None, suffixes: tuple[str, ...] = ()) -> None:
    """Make sure, before any work is done, that a file can be written.

    Raises:
        DataError: a folder, a place that cannot be written to, or an unknown kind of file.
    """
    if path is None:
        return
    _require_name(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise DataError(f"{path} is not a chart format that is known; end its name in {', '.join(suffixes)}")
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file in it, such as {path / 'result.json'}")
    _require_place(path, path.parent)


def check_results(json: Path | None, chart: Path | None) -> None:
    """Make sure, before any work is done, that figures and a chart can be written.

    Raises:
        DataError: one of the two cannot, or both are one file.
    """
    check_output(json)
    check_output(chart, CHART_FORMATS)
    check_distinct(json, chart)


def _require_name(path: Path) -> None:
    # Help must not wait for numpy, which other checks are made with.
    from memrix._support.documents import file_path

    file_path(path, DataError, "the path of what is to be written")


def _require_place(path: Path, folder: Path) -> None:
    with explained(DataError, f"{path} cannot be written", "name another place"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
