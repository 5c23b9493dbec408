"""memrix: run any PyTorch network on a simulated memristor chip whose cells were measured."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

try:
    __version__ = version("memrix")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

if TYPE_CHECKING:
    from memrix.calibration import calibrate
    from memrix.checking import Check, check
    from memrix.checkpoint import load, save
    from memrix.conversion import program, quantize, reseed, reset_statistics, set_epoch
    from memrix.errors import MemrixError
    from memrix.hardware import Hardware
    from memrix.quantization import Quantization
    from memrix.random import Seeds
    from memrix.summaries import Summary, summary
    from memrix.writing import write

__all__ = [
    "Check",
    "Hardware",
    "MemrixError",
    "Quantization",
    "Seeds",
    "Summary",
    "__version__",
    "calibrate",
    "check",
    "load",
    "program",
    "quantize",
    "reseed",
    "reset_statistics",
    "save",
    "set_epoch",
    "summary",
    "write",
]

_HOMES = {
    "Check": "memrix.checking",
    "Hardware": "memrix.hardware",
    "MemrixError": "memrix.errors",
    "Quantization": "memrix.quantization",
    "Seeds": "memrix.random",
    "Summary": "memrix.summaries",
    "calibrate": "memrix.calibration",
    "check": "memrix.checking",
    "load": "memrix.checkpoint",
    "program": "memrix.conversion",
    "quantize": "memrix.conversion",
    "reseed": "memrix.conversion",
    "reset_statistics": "memrix.conversion",
    "save": "memrix.checkpoint",
    "set_epoch": "memrix.conversion",
    "summary": "memrix.summaries",
    "write": "memrix.writing",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # torch takes seconds to import: it is paid for by the first name that needs it, not by `memrix --help`.
    if name not in _HOMES:
        raise AttributeError(f"module 'memrix' has no attribute {name!r}")
    home = importlib.import_module(_HOMES[name])
    # All names of that module: importing memrix.summary would leave the module in the place of the verb.
    globals().update({other: getattr(home, other) for other, place in _HOMES.items() if place == _HOMES[name]})
    return globals()[name]
