"""Costs in words: by layer, by cause, and what is said below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memrix.costing.layer_costs import CAUSES
from memrix.costing.units import in_joule, in_second, in_square_meter

if TYPE_CHECKING:
    from memrix.costing.result import Costs

DIGITAL = "digital layers"
REFERENCE = {"arithmetic": "arithmetic", "sram": "weights from SRAM"}
"""Parts of the digital reference, with the words for tables."""


def layer_rows(costs: Costs) -> list[tuple[str, ...]]:
    """Headings, and lines for layers, digital layers and all; causes that cost nothing are left out."""
    by_cause = costs.by_cause
    used = {cause: words for cause, words in CAUSES.items() if by_cause[cause]}
    head = ("layer", "vectors", "conversions", *used.values(), "energy", "time", "area")
    lines = [
        (
            layer.name,
            _count(layer.vectors),
            _count(layer.conversions),
            *(in_joule(getattr(layer, cause)) for cause in used),
            in_joule(layer.energy),
            in_second(layer.latency),
            in_square_meter(layer.area),
        )
        for layer in costs.by_layer
    ]
    empty = ("",) * len(used)
    digital = [(DIGITAL, "", "", *empty, in_joule(costs.digital_energy), "", "")] if costs.digital else []
    totals = (in_joule(by_cause[cause]) for cause in used)
    last = (
        "all", "", _count(costs.conversions), *totals, in_joule(costs.energy), in_second(costs.latency),
        in_square_meter(costs.area),
    )  # fmt: skip
    return [head, *lines, *digital, last]


def cause_rows(costs: Costs) -> list[tuple[str, str, str]]:
    """Headings, and lines for every cause, on the chip and in the digital reference."""
    by_cause, reference = costs.by_cause, costs.reference
    return [
        ("energy of one input", "chip", "all digital, 8 bits"),
        *((words, in_joule(by_cause[cause]), "") for cause, words in CAUSES.items()),
        *((words, "", in_joule(reference[part])) for part, words in REFERENCE.items()),
        ("layers on crossbars", in_joule(costs.crossbar_energy), in_joule(costs.digital_reference)),
        (DIGITAL, in_joule(costs.digital_energy), in_joule(costs.digital_energy)),
        ("all", in_joule(costs.energy), in_joule(costs.digital_total)),
    ]


def said(costs: Costs) -> str:
    """What the tables do not tell."""
    reference, crossbars = costs.reference, costs.crossbar_energy
    inputs = f"{costs.inputs:,} input{'s' if costs.inputs != 1 else ''}"
    ratio = ""
    if reference["arithmetic"]:
        ratio = (
            f"layers on crossbars take {crossbars / costs.digital_reference:.2g} times the energy of the same "
            f"products computed digitally, and {crossbars / reference['arithmetic']:.2g} times that of their "
            f"arithmetic alone; "
        )
    largest = sorted(costs.digital, key=lambda layer: -layer.products)[:3]
    shares = ", ".join(
        f"{layer.name} {in_joule(layer.products * costs.known.product_energy / costs.inputs)}" for layer in largest
    )
    return "\n".join([
        f"energies are for one input, a mean over {inputs}; {costs.line}",
        f"{ratio}weights from DRAM once for every input would add {in_joule(reference['dram'])} to the latter",
        *([f"{DIGITAL}, products at 8 bits, most for {shares}"] if shares else []),
    ])  # fmt: skip


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.2g}"
