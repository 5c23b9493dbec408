"""Paths, text and JSON that others wrote: what cannot be one is named before anything is opened or computed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from memrix.errors import MemrixError
from memrix.toolkit import ENCODING, file_path, parse_json, read_text, shown

_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_PROBLEMS_SHOWN = 5


class Schema(BaseModel):
    """Base of what files of others may hold: these fields, of exactly these types, and nothing else."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


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
        OSError: it cannot be read.
        ValueError: it is not UTF-8, or holds NUL.
    """
    return _checked(read_text(path))


def json_of(content: bytes) -> Any:  # noqa: ANN401
    """What the content of a JSON file says.

    Raises:
        ValueError: it is not UTF-8, not JSON, nested too deeply, or has a number of too many digits.
    """
    return parse_json(content.decode(ENCODING))


_REFUSED = "refused"


def refusal(sentence: str) -> PydanticCustomError:
    """An error for a validator to raise, whose sentence needs no name of a field before it."""
    return PydanticCustomError(_REFUSED, "{sentence}", {"sentence": sentence})


def told(error: ValidationError) -> str:
    """What pydantic found wrong, in one line."""
    problems = [_told(problem) for problem in error.errors()[:_PROBLEMS_SHOWN]]
    left = error.error_count() - len(problems)
    return "; ".join(problems) + (f"; and {left} more" if left else "")


def _told(problem: Any) -> str:  # noqa: ANN401
    if problem["type"] == _REFUSED:
        return str(problem["msg"])
    place = ".".join(str(part) for part in problem["loc"])
    cause = problem.get("ctx", {}).get("error")
    if cause is None:
        said = f"{problem['msg']}, got {shown(problem['input'])}"
    else:
        said = told(cause) if isinstance(cause, ValidationError) else str(cause)
    return f"{place}: {said}" if place else said
