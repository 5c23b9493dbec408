"""Audio brought to another sampling rate piece by piece, with the samples that the whole would give."""

from __future__ import annotations

from math import gcd

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

_HALF_LENGTH = 10  # of the filter of scipy.signal.resample_poly, in periods of the lower rate


class Resampler:
    """Takes samples of one rate, and gives those of another as soon as their neighbors are known.

    Args:
        rate: of the samples that are taken, in Hz.
        wanted: of those that are given, in Hz.
    """

    def __init__(self, rate: int, wanted: int) -> None:
        common = gcd(rate, wanted)
        self._up, self._down = wanted // common, rate // common
        reach = -(-_HALF_LENGTH * max(self._up, self._down) // self._up) + 1
        # Pieces begin where a sample that is taken and one that is given fall together.
        self._context = -(-reach // self._down) * self._down
        self._kept = np.empty(0, dtype=np.float32)
        self._given = 0  # samples of the kept ones whose counterparts are given

    def push(self, samples: Samples) -> Samples:
        """The samples that can be given now that these are known too; ``[samples]``, and maybe none."""
        if self._up == self._down:
            return samples
        self._kept = np.concatenate([self._kept, samples])
        ready = (len(self._kept) - self._context) // self._down * self._down
        if ready <= self._given:
            return np.empty(0, dtype=np.float32)
        found = self._resampled()[self._counterpart(self._given) : self._counterpart(ready)]
        dropped = max(ready - self._context, 0)
        self._kept, self._given = self._kept[dropped:], ready - dropped
        return found

    def finish(self) -> Samples:
        """The samples that are left, after the last ones were taken."""
        found = self._resampled()[self._counterpart(self._given) :] if len(self._kept) else self._kept
        self._kept, self._given = np.empty(0, dtype=np.float32), 0
        return found

    def _resampled(self) -> Samples:
        from scipy.signal import resample_poly

        return np.asarray(resample_poly(self._kept, self._up, self._down), dtype=np.float32)

    def _counterpart(self, samples: int) -> int:
        return samples // self._down * self._up
