"""Imports point downwards only: a package knows those before it, never those behind it."""

import ast
import sys
from pathlib import Path

import pytest

import memrix

SOURCE = Path(__file__).parents[1] / "src" / "memrix"
FLOORS = [
    {"errors", "_support", "toolkit"},
    {"device"},
    {"crossbar", "quantization"},
    {"hardware", "costing"},
    {"nn"},
    {"model"},
    {"checkpoint", "exports"},
    {"studies", "asr"},
    {"reporting"},
    {"cli"},
]
# llvmlite is the part of numba that takes instructions, and comes with it.
CORE = {"torch", "numba", "llvmlite", "numpy", "safetensors", "synaptogen", "memrix"}


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if path.parent != SOURCE or not path.stem.startswith("__")]


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_downwards(path):
    room = room_of(path)
    for module in imports(path):
        if module.startswith("memrix."):
            assert floor_of(module.split(".")[1]) <= floor_of(room), f"{module} lies above {room}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_file_is_longer_than_300_lines_and_no_function_than_60(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert not [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= 60]


# What an extra of the package brings: statistics and charts to estimate a device, sparse systems.
WITH_EXTRAS = (SOURCE / "device" / "fitting", SOURCE / "crossbar" / "nodal.py")
CORE_MODULES = [
    path
    for path in MODULES
    if floor_of(room_of(path)) < floor_of("asr") and not any(map(path.is_relative_to, WITH_EXTRAS))
]


@pytest.mark.parametrize("path", CORE_MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_core_needs_its_five_libraries_alone(path):
    roots = {module.split(".")[0] for module in imports(path)}
    assert roots <= CORE | sys.stdlib_module_names


# Speech is an application: what it needs of memrix, any other can have.
PUBLIC = ("memrix.errors", "memrix.toolkit", "memrix.asr")
PUBLIC_NAMES = {name for name in memrix.__all__ if not (SOURCE / name).is_dir()} | {"__file__"}


def require_public(path: Path) -> None:
    """Fail where a module uses what memrix does not publish."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "memrix":
            assert {alias.name for alias in node.names} <= PUBLIC_NAMES
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "memrix":
            assert node.attr in PUBLIC_NAMES
    for module in imports(path):
        assert not module.startswith("memrix.") or module.startswith(PUBLIC), f"{module} is not public"


@pytest.mark.parametrize(
    "path", sorted((SOURCE / "asr").rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_speech_uses_what_memrix_publishes(path):
    require_public(path)


@pytest.mark.parametrize(
    "line",
    [
        "from memrix.nn.state import RANGE",
        "import memrix._support.random",
        "from memrix import nn",
        "memrix.nn",
        "from .. import nn",
    ],
)
def test_what_memrix_does_not_publish_would_be_found(tmp_path, line):
    path = tmp_path / "module.py"
    path.write_text(line)
    with pytest.raises(AssertionError):
        require_public(path)


def test_the_house_has_ten_floors_at_most():
    assert len(FLOORS) <= 10
