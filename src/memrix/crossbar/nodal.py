"""Arrays with resistive wires, solved exactly: Kirchhoff's current law at both ends of every cell.

The oracle for the ladder formula, and an instrument for small arrays: cells may have any current-voltage curve. The
unknowns are the voltages at both ends of each cell; the equations are sparse. Linear cells take one factorization for
all inputs, others some Newton steps for each (Ho, Ruehli and Brennan, 10.1109/TCS.1975.1084079). Needs scipy, as in
the extra ``memrix[device]``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    import scipy.sparse
    from scipy.sparse.linalg import splu
except ImportError as error:
    raise ImportError("memrix.crossbar.nodal needs scipy; install it with pip install 'memrix[device]'") from error

from memrix._support.validation import require_integer
from memrix.crossbar.wires import Wires
from memrix.errors import InputError

Floats = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.int64]

CellCurve = Callable[[Floats], tuple[Floats, Floats]]
"""Currents in A, and slopes ``dI/dU`` in S, of all cells of an array over their voltages ``[rows, columns]``."""

_STEPS = 50  # of Newton's method: cells of a few percent of curvature take three
_PRECISION = 1e-12  # of currents, over the largest of them
_ROUNDINGS = 8  # of float64, of the largest current that a wire would carry


class NodalArray:
    """One array of cells, its wires, drivers and sense amplifiers.

    Args:
        rows: word lines.
        columns: bit lines.
        wires: between the cells; ``arrays`` plays no role, an array of interleaved columns is one array.

    Raises:
        SettingsError: a size is no integer above 0.
    """

    def __init__(self, rows: int, columns: int, wires: Wires) -> None:
        require_integer("rows", rows, 1, 1 << 12)
        require_integer("columns", columns, 1, 1 << 12)
        self.rows, self.columns, self.wires = rows, columns, wires
        self._above, self._below, self._unknown = _nodes(rows, columns, wires)
        self._fixed = _laplacian(*_resistors(self._above, self._below, self._unknown, wires), self._size)

    def currents(self, conductances: npt.ArrayLike, volts: npt.ArrayLike) -> Floats:
        """Currents in A at the sense amplifiers, ``[n, columns]``, of linear cells.

        Args:
            conductances: of the cells, in S, ``[rows, columns]``, none below 0.
            volts: of the drivers, in V, ``[n, rows]``.

        Raises:
            InputError: an array of another shape, or a value that is not finite or negative.
        """
        cells, known = self._cells(conductances), self._known(volts)
        system = (self._fixed + self._of_cells(cells))[: self._unknown].tocsc()
        voltages = known
        if self._unknown:
            unknown = splu(system[:, : self._unknown]).solve(-(system[:, self._unknown :] @ known.T))
            voltages = np.concatenate([unknown.T, known], axis=1)
        across: Floats = voltages[:, self._above] - voltages[:, self._below]
        summed: Floats = np.einsum("ij,nij->nj", cells, across)
        return summed

    def currents_of(self, curve: CellCurve, volts: npt.ArrayLike) -> Floats:
        """The same for cells of any curve, by Newton's method.

        Args:
            curve: of all cells.
            volts: of the drivers, in V, ``[n, rows]``.

        Raises:
            InputError: as for ``currents``; or no solution was found, as where currents fall with the voltage.
        """
        return np.stack([self._newton(curve, known) for known in self._known(volts)])

    def _newton(self, curve: CellCurve, known: Floats) -> Floats:
        voltages = np.concatenate([np.zeros(self._unknown), known])
        voltages[self._above] = known[: self.rows, None]  # as in perfect wires
        # Sums of currents of wires, which conduct far better than cells, are no more exact than this.
        rounding = _ROUNDINGS * np.finfo(np.float64).eps * self._fixed.diagonal().max() * np.abs(known).max()
        for _ in range(_STEPS):
            currents, slopes = curve(voltages[self._above] - voltages[self._below])
            leaving = self._fixed @ voltages
            np.add.at(leaving, self._above, currents)
            np.subtract.at(leaving, self._below, currents)
            if np.abs(leaving[: self._unknown]).max(initial=0.0) <= _PRECISION * np.abs(currents).max() + rounding:
                return np.asarray(currents.sum(0), np.float64)
            system = (self._fixed + self._of_cells(slopes))[: self._unknown, : self._unknown]
            voltages[: self._unknown] -= splu(system.tocsc()).solve(leaving[: self._unknown])
        raise InputError(
            f"the currents of an array of {self.rows} x {self.columns} cells did not balance after {_STEPS} steps of "
            f"Newton's method; give cells whose current rises with the voltage, or lower resistances"
        )

    @property
    def _size(self) -> int:
        return self._unknown + self.rows + 1

    def _of_cells(self, conductances: Floats) -> Any:  # noqa: ANN401
        return _laplacian(self._above.ravel(), self._below.ravel(), conductances.ravel(), self._size)

    def _cells(self, conductances: npt.ArrayLike) -> Floats:
        cells = np.asarray(conductances, np.float64)
        if cells.shape != (self.rows, self.columns):
            raise InputError(
                f"conductances must be of the shape {[self.rows, self.columns]} of the array, got {list(cells.shape)}"
            )
        if not np.all(np.isfinite(cells) & (cells >= 0)):
            raise InputError("conductances must be finite and not below 0 S; a place without a cell has 0 S")
        return cells

    def _known(self, volts: npt.ArrayLike) -> Floats:
        """Voltages of drivers and ground, ``[n, rows + 1]``."""
        driven = np.asarray(volts, np.float64)
        if driven.ndim != 2 or driven.shape[1] != self.rows:
            raise InputError(
                f"volts must be of the shape [n, {self.rows}], one for each driver, got {list(driven.shape)}"
            )
        if not np.all(np.isfinite(driven)):
            raise InputError("volts must be finite")
        return np.concatenate([driven, np.zeros((len(driven), 1))], axis=1)


def _nodes(rows: int, columns: int, wires: Wires) -> tuple[Nodes, Nodes, int]:
    """Nodes on the word and on the bit line of each cell, ``[rows, columns]``, and how many voltages are unknown.

    Drivers and ground follow the unknown ones. What no resistance separates is one node.
    """
    cells = np.arange(rows * columns).reshape(rows, columns)
    row, column = np.indices((rows, columns))
    if wires.word_line:
        above, count = cells, rows * columns
    else:
        above, count = row, rows if wires.driver_ohms else 0
    if wires.bit_line:
        below, unknown = cells + count, count + rows * columns
    elif wires.sense_ohms:
        below, unknown = column + count, count + columns
    else:
        below, unknown = np.full((rows, columns), count + rows), count
    if not count:
        above = row + unknown
    return above, below, unknown


def _resistors(above: Nodes, below: Nodes, unknown: int, wires: Wires) -> tuple[Nodes, Nodes, Floats]:
    """Ends and conductances of everything that resists but the cells."""
    rows = len(above)
    drivers, ground = np.arange(unknown, unknown + rows), np.full(above.shape[1], unknown + rows)
    parts = [
        (drivers, above[:, 0], wires.driver_ohms + wires.word_line),
        (above[:, :-1], above[:, 1:], wires.word_line),
        (ground, below[0], wires.sense_ohms + wires.bit_line),
        (below[:-1], below[1:], wires.bit_line),
    ]
    if wires.drive == "both-sides":
        parts.append((drivers, above[:, -1], wires.driver_ohms + wires.word_line))
    parts = [(one.ravel(), other.ravel(), ohms) for one, other, ohms in parts if ohms]
    ends = [np.concatenate([part[side] for part in parts] or [drivers[:0]]) for side in (0, 1)]
    conductances = np.concatenate([np.full(one.size, 1 / ohms) for one, _, ohms in parts] or [np.empty(0)])
    return ends[0], ends[1], conductances


def _laplacian(one: Nodes, other: Nodes, conductances: Floats, size: int) -> Any:  # noqa: ANN401
    """Currents that leave nodes over their voltages, in S, sparse ``[size, size]``."""
    values = np.concatenate([conductances, conductances, -conductances, -conductances])
    places = np.concatenate([one, other, one, other]), np.concatenate([one, other, other, one])
    return scipy.sparse.csr_array((values, places), shape=(size, size))
