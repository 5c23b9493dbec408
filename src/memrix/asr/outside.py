"""Paths, text and JSON that others wrote: what cannot be one is named before anything is opened or computed."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from memrix.errors import DataError, MemrixError
from memrix.toolkit import explained as plain_explained, file_path, read_text, reason_of as plain_reason, shown

T = TypeVar("T")

_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_PROBLEMS_SHOWN = 5

_REFUSED = "refused"

GZIP = b"\x1f\x8b"

LONGEST_LINE = 1 << 20  # bytes; an utterance of a manifest has some hundreds
LARGEST_RATIO = 200
"""Manifests and language models shrink to a tenth or a thirtieth; deflate itself ends at a thousandth."""
ALWAYS_FINE = 64 << 20  # bytes that may be unpacked at any ratio


class Schema(BaseModel, frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True):
    """Base of what files of others may hold: these fields, of exactly these types, and nothing else."""


class Settings(BaseModel, frozen=True, extra="forbid", arbitrary_types_allowed=True):
    """Base of what users write: these fields and no others."""


def _checked(text: str) -> str:
    problem = text_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


PlainText = Annotated[str, AfterValidator(_checked)]
"""Text that every UTF-8 file can hold; pydantic refuses lone surrogates itself."""


def text_problem(text: str) -> str | None:
    """What a text holds that no UTF-8 file and no file name can, or None."""
    found = _UNUSABLE.search(text)
    if found is None:
        return None
    what = "a NUL character" if found[0] == "\0" else f"a lone surrogate (U+{ord(found[0]):04X})"
    return f"{shown(text)} holds {what} at position {found.start()}"


def user_path(path: object, error: type[MemrixError], what: str) -> Path:
    """A path that the file system can be asked for, ``~`` expanded.

    Raises:
        MemrixError: of the kind given: ``memrix.toolkit.file_path`` refuses it, or there is no such user.
    """
    found = file_path(path, error, what)
    try:
        return found.expanduser()
    except RuntimeError as problem:
        raise error(f"{what} begins with the home of a user that there is not, got {shown(path)}") from problem


def plain_text(path: Path) -> str:
    """The text of a UTF-8 file, without its byte-order mark.

    Raises:
        DataError: it cannot be read, is not UTF-8, or holds NUL; whoever knows what the file is for names it.
    """
    with explained(DataError, "not readable as UTF-8 text", caught=(OSError, ValueError)):
        return _checked(read_text(path))


@contextmanager
def about(name: str) -> Iterator[None]:
    """A block whose errors about data begin with a name."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def read_each(lines: Iterable[str], read: Callable[[str, int], T]) -> tuple[list[T], list[str]]:
    """What is made of lines that are not blank, each given with its number; and what is wrong with the others."""
    found: list[T] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            found += [read(line, number)] if line.strip() else []
        except DataError as error:
            problems.append(f"line {number}: {error}")
    return found, problems


def read_once(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """The same reading, which reads every file once; what is wrong with one is said each time."""

    @cache
    def found(path: Path) -> T | DataError:
        try:
            return read(path)
        except DataError as error:
            return error

    def get(path: Path) -> T:
        if isinstance(result := found(path), DataError):
            raise result
        return result

    return get


def reason_of(error: Exception) -> str:
    """What an error says, in one line that leaves room for the fix."""
    return told(error) if isinstance(error, ValidationError) else plain_reason(error)


explained = partial(plain_explained, reason=reason_of)
"""``memrix.toolkit.explained``, which tells of pydantic's errors, too."""


def refusal(sentence: str) -> PydanticCustomError:
    """An error for a validator to raise, whose sentence needs no name of a field before it."""
    return PydanticCustomError(_REFUSED, "{sentence}", {"sentence": sentence})


def told(error: ValidationError) -> str:
    """What pydantic found wrong, in one line."""
    problems = [told_of(each, ".".join(map(str, each["loc"]))) for each in error.errors()[:_PROBLEMS_SHOWN]]
    left = error.error_count() - len(problems)
    return "; ".join(problems) + (f"; and {left} more" if left else "")


def told_of(problem: Any, place: str) -> str:  # noqa: ANN401 - of pydantic's own kind of table
    """What a problem that pydantic found says; ``place`` is where it is, as whoever reads it knows it."""
    if problem["type"] == _REFUSED:
        return str(problem["msg"])
    cause = problem.get("ctx", {}).get("error")
    if cause is None:
        said = f"{problem['msg']}, got {shown(problem['input'])}"
    else:
        said = told(cause) if isinstance(cause, ValidationError) else str(cause)
    return f"{place}: {said}" if place else said


@contextmanager
def unpacked(path: Path) -> Iterator[io.BufferedReader[Any]]:
    """The content of a file; gzip is seen from how it begins. Errors are those of reading."""
    with path.open("rb") as file:
        zipped = file.read(len(GZIP)) == GZIP
        file.seek(0)
        with io.BufferedReader(
            cast(io.RawIOBase, gzip.GzipFile(fileobj=file) if zipped else file), 1 << 20
        ) as stream:
            yield stream


@contextmanager
def unpacked_lines(path: Path, remedy: str) -> Iterator[Iterator[str]]:
    """The lines of a UTF-8 file, with their ends and without a byte-order mark; gzip is seen from how it begins.

    Raises:
        DataError: missing, unreadable, cut off, not UTF-8, with a line beyond measure, or unpacking to far more than
            text does; ``remedy`` says how to fix a damaged file.
    """
    try:
        with unpacked(path) as stream:
            yield _decoded(path, stream, max(ALWAYS_FINE, LARGEST_RATIO * path.stat().st_size))
    except FileNotFoundError as error:
        raise DataError(f"no file at {path}; check the path") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); {remedy}") from error


def _decoded(path: Path, stream: io.BufferedReader[Any], most: int) -> Iterator[str]:
    total = 0
    while line := stream.readline(LONGEST_LINE + 1):
        if not total:
            line = line.removeprefix(codecs.BOM_UTF8)
        total += len(line)
        if len(line) > LONGEST_LINE:
            raise DataError(f"{path} has a line of more than {LONGEST_LINE} bytes, which no such file has")
        if total > most:
            raise DataError(
                f"{path} unpacks to more than {most} bytes, {LARGEST_RATIO} times its size and more, which no such "
                "file does; unpack it yourself if it is sound"
            )
        yield line.decode()
