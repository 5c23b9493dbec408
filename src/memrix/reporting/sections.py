"""Sections of a report: what is shown of what is there, and which command would add the rest."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from memrix._support.notebooks import html_table
from memrix._support.tables import percent
from memrix._support.wording import explained
from memrix.errors import DataError
from memrix.model.costs import costs
from memrix.model.summaries import summary
from memrix.reporting import charts
from memrix.reporting.chip_charts import adc_chart, level_name, states_chart, wires_chart
from memrix.reporting.chip_figures import AdcHistogram, LevelStates, WiresMap, adc_histograms, cell_states, wires_map
from memrix.reporting.figures import Chart
from memrix.reporting.reading import Found

MOST_SMALL = 6  # histograms of layers


@dataclass(frozen=True)
class Part:
    """What one result shows.

    Attributes:
        name: what it is of.
        charts: of it.
        table: HTML of its figures.
        text: plain, before the charts.
    """

    name: str
    charts: Sequence[Chart]
    table: str = ""
    text: str = ""


@dataclass(frozen=True)
class Section:
    """A kind of figures.

    Attributes:
        key: for links.
        title: heading.
        purpose: what it tells, in a sentence.
        command: that would add it, without the model and the data.
        drawn: what draws which kind of results.
        reason: why a chip of the report may not have it; empty: it is no section of a chip alone.
        parts: one for each result; empty: it is not in the report.
    """

    key: str
    title: str
    purpose: str
    command: str
    drawn: Mapping[str, Callable[[Any], list[Chart]]]
    reason: str = ""
    parts: Sequence[Part] = ()


_REPORT = "memrix report RESULTS -o report.html --hardware"
SECTIONS = (
    Section(
        "metric",
        "Metric over settings",
        "How good the network is at each setting of the hardware, with intervals.",
        "memrix study sweep physical --set weight_bits=2,3,4 --chips 5",
        {"sweep": charts.sweep_charts, "evaluate": charts.evaluation_charts},
    ),
    Section(
        "chips",
        "Chips",
        "How the metric differs from chip to chip of one hardware.",
        "memrix study chips physical --chips 20",
        {"chips": charts.chips_charts},
    ),
    Section(
        "layers",
        "Sensitivity of layers",
        "What each layer costs, ranked.",
        "memrix study sensitivity physical --json sensitivity.json",
        {"sensitivity": charts.sensitivity_charts},
    ),
    Section(
        "causes",
        "Causes of error",
        "Which cause makes how much of the error, of the network and of each layer; and what to change first.",
        "memrix study attribution physical --json attribution.json",
        {"attribution": charts.attribution_charts},
    ),
    Section(
        "allocation",
        "Allocation of bits",
        "The bits that each layer is given, beside uniform bits of the same budget.",
        "memrix study allocate physical --json allocation.json",
        {"allocate": charts.allocation_charts},
    ),
    Section(
        "adc",
        "ADC histograms",
        "Readings in front of the ADCs, and the limits beyond which they are clipped.",
        f"{_REPORT} physical",
        {},
        "There are no inputs to read the chip with: give --batches.",
    ),
    Section(
        "cells",
        "States of cells",
        "What cells hold of each level, as readings see them: through wires, and after the time of the chip.",
        f"{_REPORT} physical",
        {},
        "The chip has no read noise, and keeps the differences of pairs alone.",
    ),
    Section(
        "wires",
        "Wires of a tile",
        "What wires let through of each cell of a tile, in the layer that loses most.",
        f"{_REPORT} realistic",
        {},
        "The wires of the chip are ideal.",
    ),
    Section(
        "costs",
        "Energy and area",
        "What one input takes, by layer and cause, and how large the layers are.",
        f"{_REPORT} physical",
        {"cost": charts.cost_charts, "utterance cost": charts.cost_charts},
    ),
)


def sections(found: Sequence[Found], chip: Mapping[str, Part] | None) -> tuple[Section, ...]:
    """All sections with what there is, in their order; those without parts are not in the report.

    ``chip``: parts of a chip by the keys of their sections, as ``of_chip`` gives them; None without one.

    Raises:
        DataError: a result holds figures that contradict each other.
    """
    filled = []
    for section in SECTIONS:
        parts = [_part(each, section.drawn[each.kind]) for each in found if each.kind in section.drawn]
        if chip is not None and section.key in chip:
            parts.append(chip[section.key])
        reason = _NO_CHIP if section.reason and chip is None else section.reason
        filled.append(replace(section, parts=parts, reason=reason))
    return tuple(filled)


def _part(found: Found, drawn: Callable[[Any], list[Chart]]) -> Part:
    what = f"the figures of {found.source!r}, {found.kind}, cannot be shown: some are missing, or contradict others"
    with explained(DataError, what, "run its command again", (ValueError, LookupError, ArithmeticError)):
        advice = getattr(found.result, "advice", "")
        return Part(found.source, drawn(found.result), found.result._repr_html_(), advice)


def of_chip(chip: nn.Module, batches: Iterable[Any] | None) -> dict[str, Part]:
    """What a chip shows, by the keys of sections; ``batches``: inputs, as for ``memrix.costs``.

    Raises:
        MemrixError: no layer runs on a chip, or a batch cannot be run.
    """
    parts, inputs, taken = {}, None if batches is None else list(batches), None
    if inputs is not None:
        histograms = adc_histograms(chip, inputs)
        worst = sorted(histograms, key=lambda each: -each.clipped)[:MOST_SMALL]
        parts["adc"] = Part(_CHIP, list(map(adc_chart, worst)), _readings(histograms), _ADC_TEXT)
        taken = costs(chip, inputs)
        parts["costs"] = Part(_CHIP, charts.cost_charts(taken), taken._repr_html_())
    if states := cell_states(chip):
        table = _levels(states) + summary(chip, costs=taken)._repr_html_()
        parts["cells"] = Part(_CHIP, [states_chart(states)], table)
    if (wires := wires_map(chip)) is not None:
        parts["wires"] = Part(f"layer {wires.name}", [wires_chart(wires)], text=_wires(wires))
    return parts


_CHIP = "the chip of this report"
_NO_CHIP = "There is no chip: give --chip, or --hardware and a model."
_ADC_TEXT = (
    "A reading of 1 is the current of a nominal pair of cells at full input. Dotted lines: limits of the ADC. "
    "Readings are without noise, of a sample of input vectors; of many layers, those are shown that clip most."
)


def _readings(found: Sequence[AdcHistogram]) -> str:
    head = ("layer", "ADC, precision/range bits", "gain", "limit", "clipped", "largest", "RMS, share of the limit")
    rows = [
        (
            each.name,
            f"{each.adc.precision_bits}/{each.adc.range_bits}",
            f"{each.adc.gain:.3g}",
            f"{each.limit:.4g}",
            f"{each.clipped:.3%}",
            f"{each.largest:.4g}",
            percent(each.deviation / each.limit),
        )
        for each in found
    ]
    return html_table([head, *rows])


def _levels(found: Sequence[LevelStates]) -> str:
    rows = [
        (level_name(each.level), f"{sum(each.counts):,}", f"{each.mean:.4f}", f"{each.deviation:.4f}")
        for each in found
    ]
    return html_table([("level", "cells", "mean state", "standard deviation"), *rows])


def _wires(found: WiresMap) -> str:
    wires, shares = found.wires, found.shares
    rows, columns = shares.shape
    return (
        f"{rows} x {columns} cells of the first tile, each with the mean state of its level. Word and bit lines of "
        f"{wires.word_line:g} and {wires.bit_line:g} ohm a cell, drivers of {wires.driver_ohms:g} ohm, sense "
        f"amplifiers of {wires.sense_ohms:g} ohm. Of the current of a cell {100 * float(shares.min()):.1f} % counts "
        f"at least, {100 * float(shares.mean()):.1f} % on average."
    )


def added_by(section: Section, found: Sequence[Found]) -> str:
    """The command that would add a section, with the model and the data of results that are there."""
    arguments = (each.about.get("arguments") for each in found)
    known: Mapping[str, Any] = next((each for each in arguments if isinstance(each, dict)), {})
    options = []
    for name, usual in (("model", "net.py:make_model"), ("batches", "net.py:make_batches"), ("metric", None)):
        value = known.get(name, usual)
        if value is not None:
            options += [f"--{name}", shlex.quote(str(value))]
    if "better" in known and section.key in ("layers", "causes", "allocation"):
        options += ["--better", shlex.quote(str(known["better"]))]
    return " ".join([section.command, *options])
