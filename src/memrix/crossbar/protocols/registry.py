"""Which programming protocols there are by name, those of users among them; and what makes a class one of them."""

from __future__ import annotations

import dataclasses
import inspect
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from memrix._support.renamed import warn_renamed
from memrix._support.schema import kinds
from memrix._support.validation import shown
from memrix._support.wording import listing
from memrix.crossbar.protocols.open_loop import Ideal, ResetSet
from memrix.crossbar.protocols.protocol import ProgrammingProtocol
from memrix.crossbar.protocols.reset_ramp import ResetRamp
from memrix.crossbar.protocols.wear import PreCycled
from memrix.crossbar.protocols.write_verify import WriteVerify
from memrix.errors import SettingsError

_T = TypeVar("_T", bound=type)

PROTOCOLS: dict[str, type[ProgrammingProtocol]] = {
    protocol.name: protocol for protocol in (ResetSet, PreCycled, WriteVerify, ResetRamp, Ideal)
}
"""Protocols by name: those of memrix, and those that ``register_protocol`` adds."""

_BUILT_IN = tuple(PROTOCOLS)
_FORMER = {"cycled": PreCycled.name}
_TABLE_KEY = "protocol"  # of the table of a protocol, beside its settings
_INTERFACE = {
    "name": "its name in files",
    "analog": "whether cells reach levels between OFF and ON",
    "program": "the method that brings cells to their targets",
    "nominal_states": "the method that gives the mean state of ON and of OFF cells",
}
_FROZEN = "must be a frozen dataclass, since hardware is compared and hashed; put @dataclass(frozen=True) above it"


def protocol_name(name: str) -> str:
    """The present name of a protocol; a former one warns.

    Args:
        name: a present or former name, or any other, which is returned unchanged.
    """
    if name in _FORMER:
        warn_renamed(f"programming={name!r}", f"programming={_FORMER[name]!r}")
    return _FORMER.get(name, name)


def unknown_protocol(what: str, name: object) -> str:
    """What to say of a name that no protocol has; ``what``: the setting."""
    return (
        f"{what} must be one of {', '.join(PROTOCOLS)}, got {shown(name)}; register a protocol of your own with "
        f"memrix.register_protocol first"
    )


def register_protocol(protocol: _T) -> _T:
    """Make a programming protocol known by its ``name``: in ``Hardware``, in files, and in a ``state_dict``.

    A decorator, above ``@dataclass(frozen=True)``. Files hold the name and the settings, not the code: a process that
    loads one registers the protocol first. A class that is defined again in the same place, as in a notebook,
    replaces the earlier one.

    Args:
        protocol: a frozen dataclass with the interface of ``memrix.ProgrammingProtocol``. Every field has a default
            and is a number, a bool, text, or a tuple of these.

    Returns:
        The same class.

    Raises:
        SettingsError: the class is no such dataclass, or another protocol has its name.
    """
    if not isinstance(protocol, type):
        raise SettingsError(
            f"register_protocol takes the class of a protocol, got {shown(protocol)}; decorate the class with "
            f"@memrix.register_protocol"
        )
    called = protocol.__name__
    require_interface(protocol, called)
    if "__dataclass_params__" not in vars(protocol):
        raise SettingsError(f"protocol {called} {_FROZEN}, and @memrix.register_protocol above that")
    name: Any = protocol.name  # type: ignore[attr-defined]
    if not isinstance(name, str) or not name.isprintable() or not name.strip():
        raise SettingsError(f"{called}.name must be text, such as name: ClassVar[str] = 'my-protocol', got {name!r}")
    if not isinstance(protocol.analog, bool):  # type: ignore[attr-defined]
        raise SettingsError(f"{called}.analog must be True or False, got {protocol.analog!r}")  # type: ignore[attr-defined]
    _require_free(name, protocol)
    problems = _unstorable(protocol)
    if problems:
        raise SettingsError(f"protocol {called} cannot be written to files:{listing(problems)}")
    PROTOCOLS[name] = protocol
    return protocol


def require_interface(protocol: type[Any], called: str) -> None:
    """Raise SettingsError, which says what is missing, unless a class is a frozen dataclass with the interface."""
    missing = [f"{name} ({what})" for name, what in _INTERFACE.items() if not hasattr(protocol, name)]
    if missing:
        raise SettingsError(
            f"{called} is not a programming protocol, it has no {' and no '.join(missing)}; see "
            f"memrix.ProgrammingProtocol"
        )
    settings = getattr(protocol, "__dataclass_params__", None)
    if settings is None or not settings.frozen or not settings.eq:
        raise SettingsError(f"protocol {called} {_FROZEN}")
    try:
        keywords = (
            "chip",
            "programming",
            "first",
            "reads",
            *(("arrays",) if getattr(protocol, "by_array", 0) else ()),
        )
        inspect.signature(protocol.program).bind(None, None, None, **dict.fromkeys(keywords))
    except TypeError as error:
        raise SettingsError(
            f"{called}.program cannot be called ({error}); it is program(self, targets, parameters, *, "
            f"{', '.join(keywords)})"
        ) from error


def require_protocol(programming: object) -> None:
    """Raise SettingsError, which says how to fix it, unless this is a programming protocol with its settings."""
    if isinstance(programming, type):
        raise SettingsError(
            f"programming must be a protocol with its settings, got the class {programming.__name__}; call it: "
            f"{programming.__name__}()"
        )
    kind = type(programming)
    if not dataclasses.is_dataclass(kind) and not any(callable(getattr(kind, name, None)) for name in _INTERFACE):
        raise SettingsError(
            f"programming must be a programming protocol, such as memrix.ResetSet(), or its name, got "
            f"{shown(programming)}"
        )
    require_interface(kind, kind.__name__)
    try:
        hash(programming)
    except TypeError as error:
        raise SettingsError(
            f"the settings of protocol {kind.__name__} must be hashable ({error}); use a tuple instead of a list"
        ) from error


def require_registered(protocol: ProgrammingProtocol) -> None:
    """Raise SettingsError where the name of a protocol in a file would not lead back to its class."""
    kind, known = type(protocol), PROTOCOLS.get(protocol.name)
    if known is kind:
        return
    if known is None:
        raise SettingsError(
            f"protocol {protocol.name!r} is not registered, so this file could not be loaded; call "
            f"memrix.register_protocol({kind.__name__})"
        )
    raise SettingsError(
        f"protocol {protocol.name!r} is {known.__module__}.{known.__qualname__} in files, and this one is "
        f"{kind.__module__}.{kind.__qualname__}; give {kind.__name__} a name of its own and call "
        f"memrix.register_protocol({kind.__name__})"
    )


def _require_free(name: str, protocol: type[Any]) -> None:
    known = PROTOCOLS.get(name)
    again = known is not None and (known.__module__, known.__qualname__) == (
        protocol.__module__,
        protocol.__qualname__,
    )
    if name in _FORMER or name in _BUILT_IN:
        raise SettingsError(
            f"the name {name!r} of {protocol.__name__} is that of a protocol of memrix; choose another"
        )
    if known is not None and not again:
        raise SettingsError(
            f"the name {name!r} of {protocol.__name__} is that of {known.__module__}.{known.__qualname__}; choose "
            f"another"
        )


def _unstorable(protocol: type[Any]) -> list[str]:
    """Settings that a file would not bring back."""
    try:
        annotated = kinds(protocol)
    except NameError as error:
        return [f"an annotation is not known ({error}); import it at the top of the module"]
    problems = []
    for field in dataclasses.fields(protocol):
        kind = annotated[field.name]
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if field.name == _TABLE_KEY:
            problems.append(f"{field.name} stands for the name of the protocol in files; rename it")
        if not field.init:
            problems.append(f"{field.name} has init=False; make it a property")
        elif default is dataclasses.MISSING:
            problems.append(f"{field.name} has no default; give it one")
        elif default is not None and _may_be_none(kind):
            problems.append(f"{field.name} may be None, which TOML leaves out; make None its default")
        if not _is_storable(kind):
            problems.append(
                f"{field.name} is {getattr(kind, '__name__', kind)}; use int, float, bool, str, Literal, one of "
                f"these or None, or a tuple of these"
            )
    return problems


def _may_be_none(kind: Any) -> bool:  # noqa: ANN401
    return get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind)


def _is_storable(kind: Any, *, inside: bool = False) -> bool:  # noqa: ANN401
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _is_storable(arguments[0], inside=inside)
    if origin is Literal:
        return all(type(value) in (int, float, bool, str) for value in arguments)
    if origin in (Union, UnionType):
        return not inside and all(option is NoneType or _is_storable(option, inside=True) for option in arguments)
    if origin is tuple:
        return not inside and all(item is Ellipsis or _is_storable(item, inside=True) for item in arguments)
    return kind in (int, float, bool, str)
