"""Measured switching cycles of many devices, and the layout of the file that holds them.

One CSV file with two kinds of rows, told apart by the columns that are filled; the others stay empty:

    device,cycle,R_HRS,U_set,R_LRS,U_reset,curve,U,I
    d1,1,74300.0,-0.68,4580.0,0.73,,,
    d1,2,71900.0,-0.66,4610.0,0.74,,,
    ,,,,,,LRS,-0.2,-5.38e-05
    ,,,,,,HRS,-0.2,-1.5e-06

A row of a cycle holds the name of the device, the number of the cycle, and its four features in the order in which
they happen: the resistance in the high-resistance state (ohm), the voltage of the SET that ends it (V, negative),
the resistance in the low-resistance state (ohm), and the voltage at which the RESET begins (V, positive). A row of a
curve holds one point, in V and A, of the I-V curve of one of the two extreme states that all others are mixtures of.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from memrix._support.wording import listing
from memrix.device.fitting.layout import COLUMNS, FEATURE_COLUMNS, HIGH_CURVE, LOW_CURVE
from memrix.device.parameters import FEATURES, HRS, Array
from memrix.errors import DataError


@dataclass(frozen=True, eq=False)
class Cycles:
    """Switching cycles of devices of one technology.

    Attributes:
        devices: names of the devices.
        features: ``[devices, cycles, 4]``: log10 of the HRS resistance in ohm, SET voltage in V, LRS resistance in
            ohm, RESET voltage in V; the cycles of a device follow each other without a gap.
        low_curve: ``[points, 2]``, voltage in V and current in A of the low-resistance extreme.
        high_curve: the same of the high-resistance extreme.
        sweep_peak: of cycles extracted from I-V loops, the highest voltage of the sweeps in V; else None.
        unswitched: loops that were left out because they did not SET or did not RESET, in words.

    Raises:
        DataError: arrays of other shapes, or with numbers that are not finite.
    """

    devices: tuple[str, ...]
    features: Array
    low_curve: Array
    high_curve: Array
    sweep_peak: float | None = None
    unswitched: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        shape = self.features.shape
        if len(shape) != 3 or shape[0] != len(self.devices) or shape[2] != len(FEATURES):
            problems.append(
                f"features must be [devices, cycles, {len(FEATURES)}] with {len(self.devices)} devices, got {shape}"
            )
        for name in ("low_curve", "high_curve"):
            curve = getattr(self, name).shape
            if len(curve) != 2 or curve[1] != 2:
                problems.append(f"{name} must be [points, 2], voltage and current, got {curve}")
        for name in ("features", "low_curve", "high_curve"):
            if not np.all(np.isfinite(getattr(self, name))):
                problems.append(f"{name} holds numbers that are not finite")
        if problems:
            raise DataError(f"these cannot be switching cycles:{listing(problems)}")

    @property
    def count(self) -> int:
        """Cycles of each device."""
        return int(self.features.shape[1])

    def save(self, path: str | Path) -> None:
        """Write a CSV file that ``read_cycles`` reads, every number to its last digit.

        Raises:
            DataError: the file cannot be written.
        """
        flat = self.features.reshape(-1, len(FEATURES)).copy()
        flat[:, HRS] = 10.0 ** flat[:, HRS]
        rows = pd.DataFrame(flat, columns=list(FEATURE_COLUMNS))
        rows.insert(0, "device", np.repeat(np.asarray(self.devices, dtype=object), self.count))
        rows.insert(1, "cycle", np.tile(np.arange(1, self.count + 1), len(self.devices)))
        curves = [
            pd.DataFrame({"curve": name, "U": curve[:, 0], "I": curve[:, 1]})
            for name, curve in ((LOW_CURVE, self.low_curve), (HIGH_CURVE, self.high_curve))
        ]
        # As objects: beside empty cells pandas would write the cycle numbers as 1.0, 2.0.
        table = pd.concat([part.astype(object) for part in (rows, *curves)])[list(COLUMNS)]
        try:
            table.to_csv(path, index=False)
        except OSError as error:
            reason = "no such folder" if error.errno in (None, errno.ENOENT) else error.strerror
            raise DataError(f"{str(path)!r} cannot be written ({reason}); name another place") from error
