"""Which weights the code of a module reads instead of calling the layer that holds them, as far as code can tell."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

# Asking a weight for these reads none of its values.
_METADATA = frozenset((
    "data_ptr", "device", "dim", "dtype", "element_size", "get_device", "is_contiguous", "is_cpu", "is_cuda",
    "is_floating_point", "is_meta", "is_sparse", "itemsize", "layout", "ndim", "ndimension", "nelement", "new_empty",
    "new_full", "new_ones", "new_tensor", "new_zeros", "numel", "requires_grad", "requires_grad_", "shape", "size",
    "stride",
))  # fmt: skip
_ITERATION = frozenset(("children", "named_children", "modules", "named_modules", "_modules"))
_PREPARATION = (
    "__init__", "init", "_init", "reset", "_reset", "load", "_load", "tie", "_tie", "extra_repr", "__repr__"
)  # fmt: skip


@dataclass
class Uses:
    """How functions use attributes, by name.

    Attributes:
        read: whose ``weight`` is read, of the module that the functions are methods of.
        handed: that are called or handed on, of that module.
        elsewhere: that are called or handed on, of any other object.
        iterates: whether the children are gone through one by one.
    """

    read: set[str] = field(default_factory=set)
    handed: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)
    iterates: bool = False


@dataclass(frozen=True)
class Reads:
    """Children of a module whose weight its code reads: those that nothing calls, and those that are called too."""

    instead: frozenset[str]
    besides: frozenset[str]


class CodeReader:
    """What the code of all modules of a model reads.

    Args:
        modules: of the model.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._uses = {kind: _uses_of(kind) for kind in dict.fromkeys(type(module) for module in modules)}
        self._elsewhere = {name for uses in self._uses.values() for name in uses.elsewhere}

    def reads(self, module: nn.Module) -> Reads:
        """What the code of one module of the model reads of its children."""
        uses = self._uses[type(module)]
        called = uses.handed | self._elsewhere
        read = frozenset(name for name in uses.read if name in module._modules)
        if uses.iterates:
            return Reads(frozenset(), read)
        return Reads(read - called, read & called)


_KNOWN: WeakKeyDictionary[type[nn.Module], Uses] = WeakKeyDictionary()


def _uses_of(kind: type[nn.Module]) -> Uses:
    if kind in _KNOWN:
        return _KNOWN[kind]
    uses = _KNOWN[kind] = Uses()
    overridden: set[str] = set()
    for ancestor in kind.__mro__:
        if ancestor.__module__.startswith(("torch.", "memrix.nn.", "builtins")):
            continue
        for name, member in vars(ancestor).items():
            function = inspect.unwrap(member.fget if isinstance(member, property) and member.fget else member)
            if not isinstance(function, FunctionType) or name.startswith(_PREPARATION) or name in overridden:
                continue
            _take_in(uses, function)
            if "super" not in function.__code__.co_names:
                overridden.add(name)
    return uses


def _take_in(uses: Uses, function: FunctionType) -> None:
    own = function.__code__.co_varnames[:1]
    for code in _nested(function.__code__):
        _take_in_code(uses, code, own)
        helpers = (function.__globals__.get(name) for name in code.co_names)
        for helper in helpers:
            if isinstance(helper, FunctionType) and helper.__module__ == function.__module__:
                # A function beside the class may be given the module itself.
                for inner in _nested(helper.__code__):
                    _take_in_code(uses, inner, ())


def _take_in_code(uses: Uses, code: CodeType, own: tuple[str, ...]) -> None:
    instructions = [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "EXTENDED_ARG")]
    uses.handed |= {constant for constant in code.co_consts if isinstance(constant, str)}  # for getattr
    uses.iterates |= not _ITERATION.isdisjoint(code.co_names)
    for at, instruction in enumerate(instructions):
        if not _is_attribute(instruction):
            continue
        of_self = at > 0 and _loads(instructions[at - 1], own)
        following = instructions[at + 1 : at + 3]
        if not (following and _is_attribute(following[0])):
            (uses.handed if of_self else uses.elsewhere).add(instruction.argval)
        elif of_self and following[0].argval == "weight" and not _asks_for_metadata(instructions, at):
            uses.read.add(instruction.argval)


def _asks_for_metadata(instructions: list[dis.Instruction], at: int) -> bool:
    """Whether ``self.layer.weight``, whose layer is loaded at a place, is asked for its type or shape alone."""
    after = instructions[at + 2] if at + 2 < len(instructions) else None
    if after is not None and _is_attribute(after):
        return after.argval in _METADATA
    return at > 1 and instructions[at - 2].argval == "isinstance"


def _is_attribute(instruction: dis.Instruction) -> bool:
    return instruction.opname in ("LOAD_ATTR", "LOAD_METHOD")


def _loads(instruction: dis.Instruction, names: tuple[str, ...]) -> bool:
    """Whether an instruction leaves one of these variables on top of the stack."""
    loaded: Any = instruction.argval
    last = loaded[-1] if isinstance(loaded, tuple) and loaded else loaded
    return instruction.opname.startswith(("LOAD_FAST", "LOAD_DEREF")) and last in names


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
