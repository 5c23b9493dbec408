"""Check a model before it is programmed: all problems at once, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from memrix.crossbar.mapping import Layout
from memrix.errors import CalibrationError, ConversionError, InputError, SettingsError
from memrix.model.calibration import observe_uses
from memrix.model.check_notes import (
    calibration_notes,
    converter_notes,
    coverage_notes,
    reading_notes,
    unreached_notes,
)
from memrix.model.check_result import Check, PlannedLayer
from memrix.model.contents import Contents
from memrix.model.digital import digital_layers
from memrix.model.feasibility import hardware_problems, programming_notes
from memrix.model.inventory import candidate_layers
from memrix.model.patterns import HardwareChoice, Layers
from memrix.model.readiness import foreign_steps, has_calibration_samples, has_range
from memrix.model.references import stale_functions
from memrix.model.selection import Selected, plan, programmed_classes, weights_not_finite

__all__ = ["Check", "PlannedLayer", "check"]


def check(
    model: nn.Module,
    hardware: HardwareChoice,
    *,
    layers: Layers = None,
    batches: Iterable[Any] | None = None,
    inplace: bool = False,
) -> Check:
    """List all problems that prevent programming a model, and what else is worth knowing. Nothing is changed.

    Args:
        model: any module.
        hardware: the chip or chips, as for ``memrix.program``.
        layers: name patterns or a predicate; all that can be mapped by default.
        batches: as for ``memrix.calibrate``: run, to find the layers that are reached, and weights that are read
            outside of their layer's call. Without batches, only the code of the model's classes is inspected.
        inplace: check for ``memrix.program(..., inplace=True)``, which makes no copy.
    """
    objections: dict[str, str] = {}
    unreached: list[str] = []
    try:
        found = plan(model, hardware, layers)
        if batches is not None and found.selected:
            objections, unreached = observe_uses(model, batches, found.selected)
            found = plan(model, hardware, layers, objections=objections)
    except (CalibrationError, ConversionError, InputError, SettingsError) as error:
        return Check((str(error),), (), (), ())
    selected = found.selected
    planned = [(layer, _layout(layer)) for layer in selected]
    # By name: what a composite layer will consist of is another object every time.
    chosen = {layer.name for layer in selected}
    candidates = candidate_layers(model)
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
                *calibration_notes(selected),
                *coverage_notes(found),
                *reading_notes(candidates, chosen, watched=batches is not None),
                *unreached_notes(unreached),
                *converter_notes(planned),
                *programming_notes(planned),
            ]
        ),
        layers=tuple(_plan(layer, layout) for layer, layout in planned),
        digital=digital_layers(candidates, lambda each: each.name in chosen, {**found.by_hardware, **objections}),
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
        calibrated=has_range(layer) and has_calibration_samples(layer),
    )


def _weight_problems(selected: Sequence[Selected]) -> list[str]:
    broken = weights_not_finite(selected)
    if not broken:
        return []
    return [
        f"the parameters of these layers hold NaN or infinite values: {', '.join(broken)}; a chip can hold finite "
        f"weights only: load or train the model again"
    ]
