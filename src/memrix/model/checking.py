"""Look before you leap: everything that would keep a model from a chip, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from memrix._support.tables import columns, explained, listed
from memrix.crossbar.mapping import Layout
from memrix.errors import CalibrationError, ConversionError, NumericsError
from memrix.hardware import Hardware
from memrix.model.calibration import observe_uses
from memrix.model.contents import Contents
from memrix.model.digital import DigitalSummary, digital_layers, digital_table
from memrix.model.feasibility import hardware_problems, programming_notes
from memrix.model.inventory import Weighted, weighted_modules
from memrix.model.patterns import HardwareChoice, Layers
from memrix.model.readiness import foreign_steps, has_range, has_test_vectors
from memrix.model.references import stale_functions
from memrix.model.selection import Selected, Survey, programmed_classes, survey, weights_not_finite
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.state import LEARNED_WEIGHT_STEP

_EXACT = 1 << 24  # up to here float32 holds every integer


@dataclass(frozen=True)
class PlannedLayer:
    """One layer as it would be programmed.

    Attributes:
        name: of the layer.
        kind: the torch layer that it is.
        weight_shape: of its weight.
        weight_bits: their sign included.
        planes: differential pairs a weight.
        tiles: pairs of arrays.
        cells: that would hold a weight.
        utilization: share of the cells of all arrays that would.
        calibrated: whether it has the activation range, and the test vectors, that ``memrix.program`` needs.
    """

    name: str
    kind: str
    weight_shape: tuple[int, ...]
    weight_bits: float
    planes: int
    tiles: int
    cells: int
    utilization: float
    calibrated: bool


@dataclass(frozen=True)
class Check:
    """What a model and a selection come to on a chip. Prints as a table.

    Attributes:
        problems: each keeps the model from being programmed.
        notes: worth knowing, but no obstacle.
        layers: that would run on crossbars.
        digital: weighted layers that would not.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    layers: tuple[PlannedLayer, ...]
    digital: tuple[DigitalSummary, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def cells(self) -> int:
        """Cells of all layers."""
        return sum(layer.cells for layer in self.layers)

    @property
    def tiles(self) -> int:
        """Pairs of arrays of all layers."""
        return sum(layer.tiles for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, with the totals."""
        return {"ok": self.ok, **asdict(self), "cells": self.cells, "tiles": self.tiles}

    def __str__(self) -> str:
        rows = [
            (
                layer.name,
                layer.kind,
                "x".join(map(str, layer.weight_shape)),
                f"{layer.weight_bits:g}",
                str(layer.planes),
                f"{layer.tiles:,}",
                f"{layer.cells:,}",
                f"{layer.utilization:.0%}",
                "yes" if layer.calibrated else "no",
            )
            for layer in self.layers
        ]
        head = ("layer", "type", "weight", "bits", "planes", "tiles", "cells", "in use", "calibrated")
        total = ("all", "", "", "", "", f"{self.tiles:,}", f"{self.cells:,}", "", "")
        count = len(self.problems)
        text = "no problem" if self.ok else f"{count} problem{'s' if count > 1 else ''}"
        if self.problems:
            text += "\n" + explained([("-", problem) for problem in self.problems])
        if self.notes:
            text += "\n\nnotes\n" + explained([("-", note) for note in self.notes])
        if rows:
            text += "\n\n" + columns([head, *rows, total])
        return text + digital_table(self.digital)


def check(
    model: nn.Module,
    hardware: HardwareChoice,
    *,
    layers: Layers = None,
    batches: Iterable[Any] | None = None,
    inplace: bool = False,
) -> Check:
    """Everything that would keep a model from a chip, at once, and what else is worth knowing; nothing is changed.

    Args:
        model: any module.
        hardware: the chip or chips, as for ``memrix.program``.
        layers: name patterns or a predicate; all that can be mapped by default.
        batches: as for ``memrix.calibrate``: run, to see which layers are reached and whose weights are read outside
            of their calls. Without them that is known only as far as the code of the model's classes tells.
        inplace: whether ``memrix.program`` is to be called with ``inplace=True``, which makes no copy.
    """
    objections: dict[str, str] = {}
    unreached: list[str] = []
    try:
        found = survey(model, hardware, layers)
        if batches is not None and found.selected:
            objections, unreached = observe_uses(model, batches, found.selected)
            found = survey(model, hardware, layers, objections=objections)
    except (CalibrationError, ConversionError, NumericsError) as error:
        return Check((str(error),), (), (), ())
    selected = found.selected
    planned = [(layer, _layout(layer)) for layer in selected]
    # By name: what a composite layer will consist of is another object every time.
    chosen = {layer.name for layer in selected}
    weighted = weighted_modules(model)
    return Check(
        problems=tuple(
            [
                *found.problems,
                *_weight_problems(selected),
                *foreign_steps(selected),
                *hardware_problems(hardware),
                *stale_functions(Contents.of(model), programmed_classes(selected), copied=not inplace),
            ]
        ),
        notes=tuple(
            [
                *_calibration_notes(selected),
                *_coverage_notes(found),
                *_reading_notes(weighted, chosen, watched=batches is not None),
                *_unreached_notes(unreached),
                *_converter_notes(planned),
                *programming_notes(planned),
            ]
        ),
        layers=tuple(_plan(layer, layout) for layer, layout in planned),
        digital=digital_layers(weighted, lambda each: each.name in chosen, objections),
    )


def _layout(layer: Selected) -> Layout:
    return layer.hardware.layout(*layer.handler.geometry.matrix_shape(layer.module))


def _plan(layer: Selected, layout: Layout) -> PlannedLayer:
    weight: Any = layer.module.weight
    return PlannedLayer(
        name=layer.name,
        kind=layer.handler.kind,
        weight_shape=tuple(weight.shape),
        weight_bits=layer.hardware.weight_bits,
        planes=layout.planes,
        tiles=layout.tiles,
        cells=layout.cells,
        utilization=layout.utilization,
        calibrated=has_range(layer) and has_test_vectors(layer),
    )


def _weight_problems(selected: Sequence[Selected]) -> list[str]:
    broken = weights_not_finite(selected)
    if not broken:
        return []
    return [
        f"the parameters of these layers hold NaN or infinite values: {', '.join(broken)}; a chip can hold finite "
        f"weights only: load or train the model again"
    ]


def _calibration_notes(selected: Sequence[Selected]) -> list[str]:
    unknown = [layer.name for layer in selected if not has_range(layer)]
    untried = [layer.name for layer in selected if has_range(layer) and not has_test_vectors(layer)]
    advice = "run memrix.calibrate(model, batches, hardware) before memrix.program"
    notes = []
    if unknown:
        notes.append(f"not calibrated yet: {listed(unknown)}; {advice}")
    if untried:
        notes.append(f"without the test vectors that this hardware is tuned with: {listed(untried)}; {advice}")
    others = [layer.name for layer in selected if _trained_otherwise(layer)]
    if others:
        notes.append(
            f"trained for other bits, scales or weight ranges than they are to be programmed with: {listed(others)}"
        )
    return notes


def _trained_otherwise(layer: Selected) -> bool:
    """Whether a layer was quantized for hardware that makes other integers of its weights or inputs."""
    module = layer.module
    if not isinstance(module, QuantizedLayer):
        return False
    trained, asked = module.memrix.chip, layer.hardware
    # A step that was learned does not ask where weights end.
    other_range = LEARNED_WEIGHT_STEP not in module.memrix._parameters and trained.weight_range != asked.weight_range
    return other_range or trained.steps_key != asked.steps_key


def _coverage_notes(found: Survey) -> list[str]:
    if not found.passed_over:
        return []
    return [
        f"no counterpart on a chip, so digital: {listed([name for name, _ in found.passed_over])}; select the others "
        f"by name to make this explicit"
    ]


def _reading_notes(weighted: Iterable[Weighted], chosen: Collection[str], *, watched: bool) -> list[str]:
    """Of layers that are called, and whose weight the code around them reads too; a run shows whether it does."""
    if watched:
        return []
    by_reader: dict[str, list[str]] = {}
    for layer in weighted:
        if layer.may_be_read_by is not None and layer.name in chosen:
            by_reader.setdefault(layer.may_be_read_by, []).append(layer.name)
    return [
        f"{reader} has code that reads the weight of a layer as well as calling it, and would not see the cells: "
        f"{listed(names)}; memrix.check(model, hardware, batches=...) tells whether it does"
        for reader, names in by_reader.items()
    ]


def _unreached_notes(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [
        f"not reached by these batches: {listed(names)}; calibrate with batches that reach them, or with "
        f"unreached='digital'"
    ]


def _converter_notes(planned: Iterable[tuple[Selected, Layout]]) -> list[str]:
    planned = list(planned)

    def grouped(figures: Callable[[Hardware, int], tuple[float, ...] | None]) -> dict[tuple[float, ...], list[str]]:
        groups: dict[tuple[float, ...], list[str]] = {}
        for layer, layout in planned:
            found = figures(layer.hardware, layout.rows)
            if found is not None:
                groups.setdefault(found, []).append(layer.name)
        return groups

    clipping, rounding = grouped(_clips), grouped(_rounds)
    return [
        f"the ADC clips what {rows:g} rows at full input can read, up to {rows:g} full pairs, at {limit:g}: "
        f"{listed(names)}; memrix.summary tells how often it does, adc.range_bits, smaller tiles or "
        f"adc.per_layer mend it"
        for (rows, limit), names in clipping.items()
    ] + [
        f"float32 adds up to {_EXACT:,} steps exactly, and {rows:g} rows of {steps:g} steps are more: "
        f"{listed(names)}; readings near the end of the range are rounded before the ADC sees them; use smaller tiles"
        for (rows, steps), names in rounding.items()
    ]


def _clips(hardware: Hardware, rows: int) -> tuple[float, float] | None:
    adc = hardware.adc
    limit = adc.largest_code * adc.step
    return (rows, limit) if rows > limit and not adc.per_layer else None


def _rounds(hardware: Hardware, rows: int) -> tuple[float, float] | None:
    """Where readings have more steps, of the DAC or the ADC, than float32 tells apart."""
    steps = max(float(hardware.dac.largest_code), 1 / hardware.adc.step)
    return (rows, steps) if rows * steps > _EXACT else None
