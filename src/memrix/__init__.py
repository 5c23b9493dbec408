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
    from memrix.conversion import program, quantize, reseed, reset_statistics, set_epoch
    from memrix.errors import MemrixError
    from memrix.hardware import Hardware
    from memrix.quantization import Quantization
    from memrix.random import Seeds
    from memrix.summary import Summary, summary

__all__ = [
    "Hardware",
    "MemrixError",
    "Quantization",
    "Seeds",
    "Summary",
    "__version__",
    "calibrate",
    "program",
    "quantize",
    "reseed",
    "reset_statistics",
    "set_epoch",
    "summary",
]

_HOMES = {
    "Hardware": "memrix.hardware",
    "MemrixError": "memrix.errors",
    "Quantization": "memrix.quantization",
    "Seeds": "memrix.random",
    "Summary": "memrix.summary",
    "calibrate": "memrix.calibration",
    "program": "memrix.conversion",
    "quantize": "memrix.conversion",
    "reseed": "memrix.conversion",
    "reset_statistics": "memrix.conversion",
    "set_epoch": "memrix.conversion",
    "summary": "memrix.summary",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # torch takes seconds to import: it is paid for by the first name that needs it, not by `memrix --help`.
    if name not in _HOMES:
        raise AttributeError(f"module 'memrix' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
