"""JSON, TOML and text files: read whole or refused, with the name of the file and what is wrong; written whole."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from memrix._support.wording import explained, shown
from memrix.errors import DataError, MemrixError

ENCODING = "utf-8-sig"
"""UTF-8, with or without the byte-order mark that some editors write."""

_DEEPEST = 50  # tables within tables; files of memrix have five
_LONGEST_NAME = 255  # bytes of a file's name, on every file system in use
_MOST_DIGITS = 400  # of an integer: float64 ends at 309

Place = tuple[str | int, ...]


def is_folder(name: str | Path) -> bool:
    """Whether there is a folder of this name.

    Args:
        name: a path, which may be one that no file system has.
    """
    return os.path.isdir(name)


def is_file(name: str | Path) -> bool:
    """Whether there is a file of this name.

    Args:
        name: a path, which may be one that no file system has.
    """
    return os.path.isfile(name)


def file_path(path: object, error: type[MemrixError], what: str) -> Path:
    """A path that the file system can be asked for.

    Args:
        path: a string or a ``Path``.
        error: to be raised.
        what: the file is, at the beginning of a sentence: ``the path of a chip``.

    Raises:
        MemrixError: of the kind given: the path is neither, or holds NUL, characters that no file name can have, or
            longer names.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise error(f"{what} must be a string or a Path, got {shown(path)}")
    try:
        name = os.fsencode(path)
    except (TypeError, UnicodeEncodeError) as problem:
        raise error(
            f"{what} must be text that the file system can encode, got {shown(path)} ({problem}); rename the file"
        ) from problem
    if b"\0" in name:
        raise error(f"{what} must not hold NUL (\\x00), got {shown(path)}; name the file without it")
    if any(len(part) > _LONGEST_NAME for part in name.split(os.sep.encode())):
        raise error(f"{what} holds a name of more than {_LONGEST_NAME} bytes, got {shown(path)}; give a shorter one")
    return Path(os.fsdecode(name))


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without the byte-order mark that some editors put before it.

    Args:
        path: of the file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8.
    """
    return path.read_text(encoding=ENCODING)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which is there once the block ends well; a pipe or device is written at once.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be written; whoever knows what the file is for says how to fix it.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("wb") as stream:
            yield stream
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: str | Path, content: bytes, kind: type[MemrixError] = DataError) -> None:
    """Write a file atomically: it is complete or absent.

    Args:
        path: of the file, which is replaced if it exists.
        content: of the whole file.
        kind: of the error.

    Raises:
        MemrixError: of the kind given: the disk is full, the place cannot be written to, or it is no path.
    """
    place = file_path(path, kind, "the path of a file")
    what, full = f"{path} cannot be written", "free some space and run again"
    failures = (OSError, RuntimeError)  # links in a circle are the latter
    with explained(kind, what, "name another place", failures, full=full), whole_file(place) as stream:
        stream.write(content)


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401
    """The tree of a JSON text or of the content of a file; NaN and infinities are numbers, as Python writes them.

    Args:
        text: the JSON text, or the content of the file in UTF-8.

    Raises:
        ValueError: the text is not UTF-8 or not JSON, a field is given twice, or it is nested deeper than any file of
            memrix, or a number is longer. The message names the field.
    """
    try:
        text = text.decode(ENCODING) if isinstance(text, bytes) else text
        tree = json.loads(text, object_pairs_hook=_table, parse_int=_integer)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep") from error
    _require_plain(tree)
    return tree


def parse_toml(text: str) -> dict[str, Any]:
    """The tree of a TOML text.

    Args:
        text: of the whole file.

    Raises:
        ValueError: the text is not TOML, or it is nested deeper than any file of memrix, or a number is longer.
    """
    try:
        tree = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep") from error
    _require_plain(tree)
    return tree


def load_tree(path: Path, parse: Callable[[str], Any], what: str, error: type[MemrixError], fix: str) -> Any:  # noqa: ANN401
    """The tree of a JSON or TOML file.

    Args:
        path: of the file.
        parse: ``parse_json`` or ``parse_toml``.
        what: the file is, as in ``the hardware description``.
        error: to be raised.
        fix: what to do where there is no such file.

    Raises:
        MemrixError: of the kind given: the file cannot be read, or holds something else.
    """
    try:
        return parse(read_text(path))
    except OSError as problem:
        raise error(f"{what} {str(path)!r} cannot be read ({problem.strerror}); {fix}") from problem
    except ValueError as problem:
        raise error(f"{what} {str(path)!r} is not valid: {problem}") from problem


class _Repeated:
    """In the place of a field that a table holds twice."""


class _Long:
    """In the place of an integer of too many digits."""

    def __init__(self, digits: int) -> None:
        self.digits = digits


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        table |= {name: _Repeated() for name, times in Counter(name for name, _ in pairs).items() if times > 1}
    return table


def _integer(digits: str) -> int | _Long:
    return int(digits) if len(digits) <= _MOST_DIGITS else _Long(len(digits.removeprefix("-")))


def _require_plain(tree: object) -> None:
    """Raise ValueError where a tree holds what no file of memrix does."""
    pending: list[tuple[Place, object]] = [((), tree)]
    while pending:
        place, value = pending.pop()
        if len(place) > _DEEPEST:
            _refuse(place, f"is nested more than {_DEEPEST} levels deep")
        if isinstance(value, _Repeated):
            _refuse(place, "is given twice")
        if isinstance(value, _Long):
            _refuse(place, f"is a number of {value.digits} digits")
        if isinstance(value, int) and value.bit_length() > 4 * _MOST_DIGITS:  # TOML's hexadecimal numbers
            _refuse(place, f"is a number of {value.bit_length()} bits")
        pending.extend(_inside(place, value))


def _inside(place: Place, value: object) -> Iterator[tuple[Place, object]]:
    if isinstance(value, dict):
        yield from (((*place, name), item) for name, item in value.items())
    elif isinstance(value, list):
        yield from (((*place, number), item) for number, item in enumerate(value))


def _refuse(place: Place, problem: str) -> NoReturn:
    raise ValueError(f"{shown('.'.join(map(str, place)))} {problem}")
