"""What readings of a chip cost: energy, latency and area, from what was counted and constants with their sources.

Nothing here runs a model: ``memrix.model.costs`` counts, and this package multiplies::

    memrix.costs(chip, batches) ---> LayerCounts, DigitalCounts ---+
                                     counts                        +---> Costs ---> table, JSON, data frame
    constants.toml ----------------> CostConstants ----------------+     layer_costs: one layer
    (or a file of yours)             constants                           result: all, and the digital reference
                                                                         tables, units: figures in words

A new cause of costs is a field of ``LayerCosts``, with its constants in ``CostConstants`` and ``constants.toml``.
"""

from memrix.costing.constants import Constant, CostConstants
from memrix.costing.counts import DigitalCounts, LayerCounts
from memrix.costing.layer_costs import LayerCosts
from memrix.costing.result import Costs

__all__ = ["Constant", "CostConstants", "Costs", "DigitalCounts", "LayerCosts", "LayerCounts"]
