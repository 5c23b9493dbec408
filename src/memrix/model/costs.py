"""What readings of a chip cost: its inputs counted while batches run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn

from memrix._support.validation import require_integer
from memrix.costing import CostConstants, Costs
from memrix.errors import CalibrationError
from memrix.model.batches import MOST_BATCHES, run_batches
from memrix.model.conversion import crossbar_layers
from memrix.model.cost_counters import DigitalProducts, InputCounter, LayerCounter, hooked
from memrix.model.inventory import candidate_layers
from memrix.model.modes import evaluating, unread


def costs(
    chip: nn.Module,
    batches: Iterable[Any],
    *,
    constants: CostConstants | str | Path | None = None,
    inputs: int | None = None,
    max_batches: int = MOST_BATCHES,
    progress: Callable[[int], None] | None = None,
) -> Costs:
    """Energy, latency and area of readings of a chip, from actual inputs.

    Every input of every layer is counted: a histogram of the DAC codes of each word line gives the energy of the
    array exactly. The chip is left as it was: one whose readings switch cells (``device.read_disturb``) is copied
    before. One input is an entry of the first axis of the first tensor of a batch; a recurrent network that takes
    steps first, or a batch that begins with another tensor, needs ``inputs``.

    Counted are arrays, converters, and the digital sums behind them; of what stays digital, products of matrices
    (linear layers, convolutions, attention, recurrent layers). Not counted: sense amplifiers, norms and activation
    functions, moving inputs and results, leakage.

    Args:
        chip: as ``memrix.program`` gave it.
        batches: as for ``memrix.calibrate``.
        constants: a TOML file of what one conversion, sum, product or cell costs. It replaces those that it names of
            ``memrix/costing/constants.toml``, which has their sources.
        inputs: how many inputs all batches are, where their first axis does not say.
        max_batches: more are refused, before the first if ``len(batches)`` is known.
        progress: called with the number of batches done.

    Raises:
        ConversionError: the model is not a module, or no layer of it runs on a chip; or an earlier memrix has saved
            the chip without what costs need.
        CalibrationError: there is no batch, there are too many, the chip does not accept one, or none reads a layer
            on crossbars.
        SettingsError: constants that cannot be used, or ``inputs`` is no integer above 0.
    """
    known = CostConstants.of(constants)
    if inputs is not None:
        require_integer("inputs", inputs, 1, 1 << 62)
    layers = crossbar_layers(chip)
    if any(layer.memrix.programmed.crossbar.word_lines is not None for layer in layers):
        chip = copy.deepcopy(chip)
        layers = crossbar_layers(chip)
    candidates = candidate_layers(chip)
    counters = [LayerCounter(layer.name, layer.module) for layer in candidates if layer.module in set(layers)]
    digital = DigitalProducts(candidates)
    seen = InputCounter()
    with unread(layers), evaluating(chip), digital.watching(), hooked(chip, counters, seen):
        run_batches(
            chip, batches, max_batches=max_batches, progress=progress, around=lambda number: digital.counting()
        )
        counted = tuple(counter.counts() for counter in counters)
    if not seen.calls:
        raise CalibrationError("costs follow from actual inputs, and there is no batch; give at least one")
    if not any(layer.vectors for layer in counted):
        raise CalibrationError(
            "no layer on crossbars was read by these batches, so there are no costs of readings; give batches that "
            "run the layers of the chip"
        )
    return Costs(counted, digital.counts(), inputs or seen.inputs, known)
