"""Options of a command from the fields of a settings dataclass.

Names, types, defaults and help texts are those of the dataclass: they are written there and nowhere else.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from memrix._support.renamed import former_fields
from memrix._support.wording import shown
from memrix.cli.messages import message
from memrix.errors import SettingsError

JsonFile = Annotated[Path | None, Parameter(help="JSON file to write all results, settings and versions to.")]
ChartFile = Annotated[Path | None, Parameter(help="Chart of the word error rates to write: PNG, SVG or PDF.")]
TrnFile = Annotated[Path | None, Parameter(help="File to write a line for each recording to, as sclite reads.")]
Threads = Annotated[int | None, Parameter(help="Number of CPU threads. By default PyTorch's own choice.")]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]

_ATTRIBUTES = re.compile(r"^Attributes:\n((?:(?: .*)?\n)+)", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
_ON_A_COMMAND_LINE = {"Hardware": str}  # a chip is named: a preset or a file
_SCALARS = (str, int, float, bool)
_NUMBERS = {int: "whole numbers", float: "numbers"}


def option_of(field: str) -> str:
    """The option of a field: ``--weight-bits`` of ``weight_bits``."""
    return "--" + field.replace("_", "-")


def field_help(settings: type[Any]) -> dict[str, str]:
    """The help text of each field, from the section "Attributes:" of the docstring of a dataclass."""
    texts: dict[str, str] = {}
    for kind in reversed(settings.__mro__):  # a derived class says again what it changes alone
        found = _ATTRIBUTES.search(inspect.cleandoc(kind.__dict__.get("__doc__") or "") + "\n")
        texts |= dict(_ATTRIBUTE.findall(found[1]) if found else ())
    return {name: text[0].upper() + " ".join(text.split())[1:] for name, text in texts.items()}


def options_from(
    settings: type[Any], *, without: Collection[str] = (), former: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the fields of a settings dataclass as options, before its own.

    The command takes as its first argument a dict of the fields that were given. A field that was not given is not
    in it: its default is that of the dataclass.

    Args:
        settings: a dataclass whose fields have defaults. A tuple is typed as a list separated by commas, or as an
            option that is repeated; so is a mapping, as ``name=value``, which the command parses.
        without: fields that are not options.
        former: fields by names of their options that were others than those of the fields. Former names of the
            fields are known. Options of former names are hidden, and work with a note.
    """
    kinds = typing.get_type_hints(settings, localns=_ON_A_COMMAND_LINE)
    fields = {field.name: field for field in dataclasses.fields(settings) if field.name not in without}
    texts = field_help(settings)
    options = [_option(field, name, kinds[name], Parameter(help=texts[name])) for name, field in fields.items()]
    renamed = {old: name for old, name in {**former_fields(settings), **(former or {})}.items() if name in fields}
    options += [_option(fields[name], old, kinds[name], Parameter(show=False)) for old, name in renamed.items()]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def parsed(*positional: Any, **given: Any) -> Any:  # noqa: ANN401
            for old, name in renamed.items():
                if old in given:
                    _note_former(old, name, twice=name in given)
                    given[name] = given.pop(old)
            chosen = {name: _value(name, given.pop(name), kinds[name]) for name in fields if name in given}
            return command(chosen, *positional, **given)

        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        positional = [parameter for parameter in own if parameter.kind is not inspect.Parameter.KEYWORD_ONLY]
        signature = [*positional, *options, *(parameter for parameter in own if parameter not in positional)]
        parsed.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
        parsed.__annotations__ = {parameter.name: parameter.annotation for parameter in signature}
        return parsed

    return decorate


def _note_former(old: str, name: str, *, twice: bool) -> None:
    if twice:
        raise SettingsError(
            f"{option_of(old)} is the former name of {option_of(name)}, and both are given; give {option_of(name)}"
        )
    message(
        f"{option_of(old)} was renamed: use {option_of(name)}. The former name will be removed in the next version."
    )


def _option(field: dataclasses.Field[Any], name: str, kind: Any, about: Parameter) -> inspect.Parameter:  # noqa: ANN401
    default: Any = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if _is_list(kind):
        kind = tuple[str, ...] if default is not None else tuple[str, ...] | None
        default = None if default is None else tuple(map(str, default))
    elif not set(_members(kind)) <= {*_SCALARS, types.NoneType}:
        raise TypeError(f"the field {field.name!r} has a type that a command line has no word for: {kind}")
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, Parameter(negative="", show_default=_default_text(default)), about],
    )


def _default_text(default: object) -> str | bool:
    """A default as a help text shows it: not where there is none, or a flag that is not set."""
    if default is None or default is False or default == ():
        return False
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _members(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """The types of a union, or the one type."""
    return typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else (kind,)


def _is_list(kind: Any) -> bool:  # noqa: ANN401
    return any(typing.get_origin(member) is tuple for member in _members(kind)) or _is_mapping(kind)


def _is_mapping(kind: Any) -> bool:  # noqa: ANN401
    return typing.get_origin(kind) is Mapping


def _value(name: str, typed: Any, kind: Any) -> Any:  # noqa: ANN401
    """What was typed as the dataclass takes it."""
    if not _is_list(kind) or _is_mapping(kind):
        return typed
    of_list = next(member for member in _members(kind) if typing.get_origin(member) is tuple)
    return listed(option_of(name), typed, typing.get_args(of_list)[0])


def listed(option: str, texts: Sequence[str], kind: type[Any]) -> tuple[Any, ...]:
    """The values of an option that takes a list: separated by commas, repeated, or both.

    Raises:
        SettingsError: a value is not a number, or not a whole number, where the list has those.
    """
    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if kind is str:
        return tuple(parts)
    try:
        numbers = [kind(part) for part in parts]
    except ValueError as error:
        raise SettingsError(
            f"{option} takes {_NUMBERS[kind]} separated by commas, got {shown(','.join(texts))}"
        ) from error
    return tuple(int(number) if kind is float and number.is_integer() else number for number in numbers)
