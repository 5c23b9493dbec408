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
    from memrix._support.random import Seeds
    from memrix.checkpoint import load, save
    from memrix.errors import MemrixError
    from memrix.hardware import Hardware
    from memrix.model.calibration import calibrate
    from memrix.model.calibration_result import Calibration
    from memrix.model.checking import Check, check
    from memrix.model.conversion import program, quantize, reseed, reset_statistics, set_epoch
    from memrix.model.reversion import to_digital
    from memrix.model.summaries import Summary, summary
    from memrix.model.writing import write
    from memrix.quantization import Quantization

__all__ = [
    "Calibration",
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
    "to_digital",
    "write",
]

_HOMES = {
    "Calibration": "memrix.model.calibration_result",
    "Check": "memrix.model.checking",
    "Hardware": "memrix.hardware",
    "MemrixError": "memrix.errors",
    "Quantization": "memrix.quantization",
    "Seeds": "memrix._support.random",
    "Summary": "memrix.model.summaries",
    "calibrate": "memrix.model.calibration",
    "check": "memrix.model.checking",
    "load": "memrix.checkpoint",
    "program": "memrix.model.conversion",
    "quantize": "memrix.model.conversion",
    "reseed": "memrix.model.conversion",
    "reset_statistics": "memrix.model.conversion",
    "save": "memrix.checkpoint",
    "set_epoch": "memrix.model.conversion",
    "summary": "memrix.model.summaries",
    "to_digital": "memrix.model.reversion",
    "write": "memrix.model.writing",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # torch takes seconds to import: it is paid for by the first name that needs it, not by `memrix --help`.
    if name not in _HOMES:
        raise AttributeError(f"module 'memrix' has no attribute {name!r}")
    home = importlib.import_module(_HOMES[name])
    # All names of that module: importing memrix.summary would leave the module in the place of the verb.
    globals().update({other: getattr(home, other) for other, place in _HOMES.items() if place == _HOMES[name]})
    return globals()[name]
