"""Formulas for resistive wires against the exact solution of the same arrays: `python -m benchmarks.wire_formulas`.

It takes minutes.

Those of other simulators are written from what these publish: the relaxation of CrossSim 3.1
(github.com/sandialabs/cross-sim, `simulator/circuits/array`, non-interleaved arrays whose word lines feed the cells),
and the polynomial of aihwkit (github.com/IBM/aihwkit, `IOParameters.ir_drop`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.arguments import require_no_arguments
from benchmarks.report import Table
from memrix.crossbar.nodal import Floats, NodalArray
from memrix.crossbar.wires import Wires, apart, interleave
from memrix.device import CellCurrent, load_parameters

SIZE, VECTORS, NEWTON_VECTORS = 128, 32, 2
ON, OFF = 228e-6, 20e-6  # S, cells of the default device at 0.6 V
HIGHEST, SHIFT = 0.4, 1e-5  # V; between the currents that a slope is taken from
BOUNDS = {0.1: 0.1, 0.35: 0.5, 1.0: 2.0}  # ohm a cell, % of the outputs
SHARES = {"dense": 2 / 3, "sparse": 0.2}  # of weights that are not 0
# As CrossSim's scripts for networks set it: of a voltage over the highest, rounds, and share of a step that is taken.
CROSSSIM_THRESHOLD, CROSSSIM_ROUNDS, CROSSSIM_STEP = 2e-4, 100, 0.9
DIVERGED = 1e3  # of a voltage over the highest: what rounds are left do not find back
CROSSSIM_RETRY = 0.98  # of that share, after rounds in vain
HEAD = ("ohm a cell", "arrays", "drivers", "weights", "nothing done", "ladder alone", "memrix", "bound")
PEERS = ("memrix, true I(U)", "CrossSim", "rounds", "aihwkit", "aihwkit, perfect word lines")

Pair = tuple[Tensor, Tensor]


def run() -> Table:
    rows = []
    volts = np.random.default_rng(1).uniform(-HIGHEST, HIGHEST, (VECTORS, SIZE))
    for ohms, arrays, drive, kind in itertools.product(
        BOUNDS, ("separate", "interleaved"), ("one-side", "both-sides"), SHARES
    ):
        wires = Wires(ohms_per_cell=ohms, arrays=arrays, drive=drive)
        row = (f"{ohms:g}", arrays, drive, kind, *_errors(_ternary(SHARES[kind]), wires, volts))
        print(*row, flush=True)
        rows.append(row)
    title = f"Differential outputs of {SIZE} x {SIZE} cells behind wires, relative error"
    return Table(title, (*HEAD, *PEERS), rows)


def _errors(cells: Pair, wires: Wires, volts: Floats) -> list[str]:
    exact = _exact(cells, wires, volts)

    def error(found: Floats, of: Floats = exact) -> str:
        return _percent(np.linalg.norm(found - of) / np.linalg.norm(of))

    def product(of: Pair) -> Floats:
        return volts @ (of[0] - of[1]).numpy()

    ladder = _effective(cells, wires, lambda some: some * torch.mul(*wires.shares(some)))
    polynomial = _aihwkit(cells, wires, volts)
    true_cells, relaxed, rounds = "", "", ""
    if wires.drive == "one-side":  # CrossSim has no second driver
        true_cells = _true_cells(cells, wires, volts[:NEWTON_VECTORS])
        currents, count = _crosssim(cells, wires, volts)
        relaxed, rounds = error(currents), f"{count}"
    return [
        error(product(cells)),
        error(product(ladder)),
        error(product(_effective(cells, wires, wires.effective))),
        _percent(BOUNDS[wires.word_line] / 100),
        true_cells,
        relaxed,
        rounds,
        error(polynomial),
        error(polynomial, _exact(cells, replace(wires, word_line_ohms=0.0), volts)),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _ternary(share: float) -> Pair:
    """Positive and negative cells of random ternary weights, in S."""
    chances = [share / 2, 1 - share, share / 2]
    weights = np.random.default_rng(0).choice([-1, 0, 1], p=chances, size=(SIZE, SIZE))
    positive, negative = (torch.from_numpy(np.where(weights == sign, ON, OFF)) for sign in (1, -1))
    return positive, negative


def _difference(wires: Wires, cells: Pair, solve: Callable[[NodalArray, Floats], Floats]) -> Floats:
    """Differential currents, of arrays as the topology has them."""
    if wires.arrays == "interleaved":
        array = NodalArray(SIZE, 2 * SIZE, wires)
        both = solve(array, interleave(*cells).numpy())
        return both[:, 0::2] - both[:, 1::2]
    array = NodalArray(SIZE, SIZE, wires)
    return solve(array, cells[0].numpy()) - solve(array, cells[1].numpy())


def _exact(cells: Pair, wires: Wires, volts: Floats) -> Floats:
    return _difference(wires, cells, lambda array, some: array.currents(some, volts))


def _effective(cells: Pair, wires: Wires, formula: Callable[[Tensor], Tensor]) -> Pair:
    return apart(formula(interleave(*cells))) if wires.arrays == "interleaved" else tuple(map(formula, cells))


def _crosssim(cells: Pair, wires: Wires, volts: Floats) -> tuple[Floats, int]:
    """Voltages across cells relaxed until the drops along both lines fit the currents, and how often that took."""
    counts = []

    def relax(_: NodalArray, some: Floats) -> Floats:
        step = CROSSSIM_STEP
        while (found := _relaxed(some, wires, volts, step)) is None:
            step *= CROSSSIM_RETRY
        counts.append(found[1])
        return found[0]

    return _difference(wires, cells, relax), max(counts, default=0)


def _relaxed(cells: Floats, wires: Wires, volts: Floats, step: float) -> tuple[Floats, int] | None:
    """Currents and rounds; None where these were in vain."""
    driven = volts[:, :, None]
    across = np.repeat(driven, cells.shape[1], axis=2)
    for count in range(1, CROSSSIM_ROUNDS + 1):
        currents = across * cells
        along_rows = np.flip(np.flip(currents, 2).cumsum(2), 2).cumsum(2)
        along_columns = np.flip(np.flip(currents, 1).cumsum(1), 1).cumsum(1)
        missing = driven - wires.word_line * along_rows - wires.bit_line * along_columns - across
        worst = np.abs(missing).max()
        if worst < CROSSSIM_THRESHOLD * HIGHEST:
            return currents.sum(1), count
        if worst > DIVERGED * HIGHEST:
            return None
        across += step * missing
    return None


def _aihwkit(cells: Pair, wires: Wires, volts: Floats) -> Floats:
    """Its polynomial of the current of a bit line; word lines are perfect, and both polarities share one."""
    weights, inputs = ((cells[0] - cells[1]) / ON).numpy(), volts / HIGHEST
    # Of all resistance along the line, over that of a cell, what flows of the largest current.
    load = SIZE * wires.bit_line * ON * (np.abs(inputs) @ np.abs(weights))
    dropped = load * (0.5 + load * (-0.2 + 0.05 * load))
    distance = 1 - (1 - np.arange(SIZE) / SIZE) ** 2
    outputs: Floats = inputs @ weights - dropped * ((inputs * distance) @ weights)
    return outputs * ON * HIGHEST


def _true_cells(cells: Pair, wires: Wires, volts: Floats) -> str:
    """Error of the formula for cells of the device's own current-voltage curve, which Newton's method solves."""
    parameters = load_parameters()
    current = CellCurrent(parameters)
    low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
    silent = low / (low - high)

    def solved(array: NodalArray, conductances: Floats) -> Floats:
        states = (low - conductances) / (low - high)

        def curve(voltages: Floats) -> tuple[Floats, Floats]:
            above, below = (current.of(states, voltages + shift) for shift in (SHIFT, -SHIFT))
            return current.of(states, voltages), (above - below) / (2 * SHIFT)

        return array.currents_of(curve, volts)

    exact = _difference(wires, cells, solved)
    seen = [silent - part.numpy() / (low - high) for part in _effective(cells, wires, wires.effective)]
    positive, negative = (
        np.stack([current.of(states, np.broadcast_to(vector[:, None], states.shape)).sum(0) for vector in volts])
        for states in seen
    )
    return _percent(np.linalg.norm(positive - negative - exact) / np.linalg.norm(exact))


if __name__ == "__main__":
    require_no_arguments(__doc__)
    print("\n" + run().to_markdown(), end="")
