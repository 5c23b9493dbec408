"""Notes on a model before it is programmed: each is worth knowing, and none is an obstacle."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from memrix._support.tables import listed
from memrix.crossbar.mapping import Layout
from memrix.hardware import Hardware
from memrix.model.inventory import Candidate
from memrix.model.readiness import has_calibration_samples, has_range
from memrix.model.selection import BY_NAME, Plan, Selected
from memrix.nn.quantized import QuantizedLayer

_EXACT = 1 << 24  # up to here float32 holds every integer


def calibration_notes(selected: Sequence[Selected]) -> list[str]:
    """Layers that ``memrix.program`` would still refuse, or that were trained for other hardware."""
    unknown = [layer.name for layer in selected if not has_range(layer)]
    untried = [layer.name for layer in selected if has_range(layer) and not has_calibration_samples(layer)]
    advice = "run memrix.calibrate(model, batches, hardware) before memrix.program"
    notes = []
    if unknown:
        notes.append(f"not calibrated yet: {listed(unknown)}; {advice}")
    if untried:
        notes.append(f"without the calibration samples that this hardware is tuned with: {listed(untried)}; {advice}")
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
    # A learned step does not depend on the weight range.
    other_range = module.memrix.learned_weight_step is None and trained.weight_range != asked.weight_range
    return other_range or trained.steps_key != asked.steps_key


def coverage_notes(found: Plan) -> list[str]:
    """Layers that the default selection includes and that cannot be mapped."""
    if not found.skipped:
        return []
    return [
        f"these layers cannot be mapped and stay digital (reasons below): "
        f"{listed([name for name, _ in found.skipped])}; {BY_NAME}"
    ]


def reading_notes(candidates: Iterable[Candidate], chosen: Collection[str], *, watched: bool) -> list[str]:
    """Layers whose weight may also be read by the code around them; a run of the model shows whether it is."""
    if watched:
        return []
    by_reader: dict[str, list[str]] = {}
    for layer in candidates:
        if layer.may_be_read_by is not None and layer.name in chosen:
            by_reader.setdefault(layer.may_be_read_by, []).append(layer.name)
    return [
        f"{reader} has code that reads the weight of a layer as well as calling it, and would not see the cells: "
        f"{listed(names)}; memrix.check(model, hardware, batches=...) shows whether it does"
        for reader, names in by_reader.items()
    ]


def unreached_notes(names: Sequence[str]) -> list[str]:
    """Layers that no batch gave an input."""
    if not names:
        return []
    return [
        f"not reached by these batches: {listed(names)}; calibrate with batches that reach them, or with "
        f"unreached='digital'"
    ]


def converter_notes(planned: Iterable[tuple[Selected, Layout]]) -> list[str]:
    """Layers whose readings the ADC may clip, or that float32 rounds before the ADC sees them."""
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
        f"the ADC clips readings at {limit:g}, and {rows:g} rows at full input can read up to {rows:g}: "
        f"{listed(names)}; memrix.summary counts how often it does; increase adc.range_bits, use smaller "
        f"tiles, or set adc.per_layer"
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
    """Rows and steps, if readings have more steps (of the DAC or the ADC) than float32 can represent."""
    steps = max(float(hardware.dac.largest_code), 1 / hardware.adc.step)
    return (rows, steps) if rows * steps > _EXACT else None
