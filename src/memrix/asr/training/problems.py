"""What is wrong with a table of settings, each problem in a line that says how to fix it."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from memrix.asr.outside import told_of
from memrix.toolkit import closest


def problem_lines(error: ValidationError, kind: type[BaseModel]) -> list[str]:
    """A line for everything that pydantic found, with the settings that exist where one does not."""
    return [_line(problem, kind) for problem in error.errors()]


def _line(problem: Any, kind: type[BaseModel]) -> str:  # noqa: ANN401 - of pydantic's own kind of table
    place = ".".join(_walked(kind, problem["loc"])[0])
    if problem["type"] == "extra_forbidden":
        known = dict.fromkeys(name for part in _walked(kind, problem["loc"][:-1])[1] for name in part.model_fields)
        return (
            f"there is no setting {place!r}{closest(str(problem['loc'][-1]), known)}; those that exist are "
            f"{', '.join(known)}"
        )
    if problem["type"] == "union_tag_invalid":
        kinds = [_tag(part) for part in _walked(kind, problem["loc"])[1]]
        found = problem["ctx"]["tag"]
        return f"{place}.kind must be one of {', '.join(map(repr, kinds))}, got {found!r}{closest(found, kinds)}"
    return told_of(problem, place).replace("\n", "\n  ")


def _walked(kind: type[BaseModel], path: tuple[int | str, ...]) -> tuple[list[str], list[type[BaseModel]]]:
    """The steps of a path that a user has written, and the tables of settings that it leads to."""
    names, kinds = [], [kind]
    for step in path:
        # Where several kinds of table are possible, pydantic names the one that it took.
        tagged = [part for part in kinds if _tag(part) == step] if len(kinds) > 1 else []
        if tagged:
            kinds = tagged
            continue
        names.append(str(step))
        fields = [part.model_fields[str(step)] for part in kinds if str(step) in part.model_fields]
        kinds = [part for field in fields for part in _tables(field.annotation)]
    return names, kinds


def _tables(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - whatever annotates a field
    """All tables of settings in a type, such as a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for argument in get_args(annotation) for part in _tables(argument)]


def _tag(kind: type[BaseModel]) -> Any:  # noqa: ANN401 - a default may be anything
    field = kind.model_fields.get("kind")
    return None if field is None else field.default
