"""Functions that are named on a command line: `file.py:function`."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from types import ModuleType
from typing import Any

from memrix._support.records import closest
from memrix._support.wording import shown
from memrix.errors import DataError, MemrixError, SettingsError

_MODULES: dict[Path, ModuleType] = {}


NAMED_METRICS = ("accuracy", "loss")


def check_functions(given: dict[str, Any], required: Collection[str] = ("model", "batches")) -> None:
    """Check the options that name a model, batches, a metric and calibration batches, before torch is imported.

    Raises:
        MemrixError: one that is required is missing, or one names what is not there.
    """
    for name in required:
        if name not in given:
            raise SettingsError(f"--{name} is missing; name a function in a Python file: --{name} net.py:make_{name}")
    metric = given.get("metric", NAMED_METRICS[0])
    if metric not in NAMED_METRICS and ":" not in metric:
        raise SettingsError(
            f"--metric must be {' or '.join(NAMED_METRICS)}, or a function in a Python file, such as net.py:metric, "
            f"got {metric!r}{closest(metric, NAMED_METRICS)}"
        )
    for name in ("model", "batches", "metric", "calibration"):
        if name in given and given[name] not in NAMED_METRICS:
            split_name(f"--{name}", given[name])


def split_name(option: str, text: str) -> tuple[Path, str]:
    """The file and the function of ``file.py:function``; the file is there.

    Raises:
        SettingsError: the text is something else.
        DataError: there is no such file.
    """
    file, colon, function = text.rpartition(":")
    if not colon or not file.endswith(".py") or not function.isidentifier():
        raise SettingsError(
            f"{option} takes a function in a Python file, such as net.py:{_EXAMPLES[option]}, got {text!r}"
        )
    if not Path(file).is_file():
        raise DataError(f"{option} names the file {file!r}, which is not there")
    return Path(file).resolve(), function


def function_of(option: str, text: str) -> Callable[..., Any]:
    """The function that ``file.py:function`` names; the file is executed once, with its folder on the path.

    Raises:
        SettingsError: the text is something else, or the file has no such function.
        DataError: the file is not there, or fails.
    """
    file, name = split_name(option, text)
    module = _module(file)
    found = getattr(module, name, None)
    if not callable(found):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        problem = "has no function" if found is None else f"has {shown(found)}, and no function, as"
        raise SettingsError(f"{option}: {str(file)!r} {problem} {name!r}{closest(name, known)}")
    return found  # type: ignore[no-any-return]


def made(option: str, text: str) -> Any:  # noqa: ANN401
    """What the function that ``file.py:function`` names returns without arguments.

    Raises:
        MemrixError: as ``function_of``, or the function fails.
    """
    function = function_of(option, text)
    try:
        return function()
    except MemrixError:
        raise
    except Exception as error:
        raise DataError(f"{option}: {text} fails {_place(error)}: {type(error).__name__}: {error}") from error


def _module(file: Path) -> ModuleType:
    if file in _MODULES:
        return _MODULES[file]
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise DataError(f"{str(file)!r} cannot be read as a Python file")
    module = importlib.util.module_from_spec(spec)
    folder, before = str(file.parent), sys.modules.get(file.stem)
    if before is not None:
        raise SettingsError(f"the file {file.name!r} has the name of a module that is in use; give it another name")
    sys.path.insert(0, folder)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[file.stem]
        raise DataError(f"{str(file)!r} fails {_place(error)}: {type(error).__name__}: {error}") from error
    _MODULES[file] = module
    _send_by_value(file.parent)
    return module


def _send_by_value(folder: Path) -> None:
    """Let processes that have no such files get what modules of a folder define."""
    try:
        import cloudpickle
    except ImportError:  # then there are no such processes either
        return
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and Path(file).parent == folder:
            cloudpickle.register_pickle_by_value(module)


def _place(error: Exception) -> str:
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"in line {last.lineno} of {last.filename}"


_EXAMPLES = {
    "--model": "make_model",
    "--batches": "make_batches",
    "--metric": "metric",
    "--calibration": "make_inputs",
}
