"""The chart of costs: bars that add up."""

from dataclasses import replace

import pytest

from memrix.costing import Costs
from memrix.costing.layer_costs import CAUSES
from memrix.studies.cost_chart import MOST_BARS, draw_costs, energies
from tests.costing.test_result import COSTS, LAYER


def test_bars_of_layers_add_up_to_their_energy():
    pytest.importorskip("matplotlib")
    layers, totals = draw_costs(COSTS).axes
    (tick,) = [text.get_text() for text in layers.get_yticklabels()]
    assert tick == "encoder.first"
    unit = {"pJ": 1e-12, "nJ": 1e-9}[layers.get_xlabel()[-3:-1]]
    assert sum(bar.get_width() for bar in layers.patches) * unit == pytest.approx(COSTS.crossbar_energy)
    assert [text.get_text() for text in totals.get_yticklabels()] == [
        "all on crossbars",
        "the same, digital",
        "layers that stay digital",
    ]
    unit = {"pJ": 1e-12, "nJ": 1e-9}[totals.get_xlabel()[-3:-1]]
    everything = COSTS.energy + COSTS.digital_reference
    assert sum(bar.get_width() for bar in totals.patches) * unit == pytest.approx(everything)


def test_layers_of_many_blocks_are_added():
    many = Costs(tuple(replace(LAYER, name=f"blocks.{n}.up") for n in range(MOST_BARS + 1)), (), 2)
    rows = energies(many)
    assert list(rows) == ["blocks.*.up"]
    assert sum(rows["blocks.*.up"][cause] for cause in CAUSES) == pytest.approx(many.crossbar_energy)
