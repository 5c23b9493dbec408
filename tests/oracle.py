"""The numpy package synaptogen as an oracle, with a seed."""

from functools import partial

import numpy as np
import synaptogen.synaptogen as reference


def fresh_cells(count: int, seed: int, copy_threshold: bool = True, order: int = 10) -> reference.CellArray:
    """Fresh cells of the numpy package, drawn from a generator of their own."""
    generator = np.random.default_rng(seed)
    reference.randn = partial(generator.standard_normal, dtype=np.float32)
    reference.rand = partial(generator.random, dtype=np.float32)
    cells = reference.CellArrayCPU(count, reference.load_params(p=order))
    # There the threshold is a view of the drawn feature, which the first reset would overwrite.
    if copy_threshold:
        cells.UR = cells.UR.copy()
    return cells


def reset_set(on: np.ndarray, seed: int) -> np.ndarray:
    """States after +2 V everywhere and -2 V on the cells of ``on`` (bool)."""
    cells = fresh_cells(len(on), seed)
    reference.applyVoltage(cells, 2.0)
    reference.applyVoltage(cells, np.where(on, -2.0, 0.0))
    return cells.r
