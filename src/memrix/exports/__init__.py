"""What leaves memrix for other tools: the cells of a chip as a table, and a tile as a circuit.

::

    chip ──> choosing ──> present ──> cells ──> tables ──> cells.parquet, .csv, .npz      (exporting: memrix.export)
             layers       states      chunks
                             │
                             └─────> circuit ──> tile.cir ──> SPICE                       (netlist: memrix.netlist)
                                     lines

- ``choosing``: layers of a chip by name or pattern.
- ``present``: the cells of a layer as they are now. A crossbar holds what readings see of them; where that is not the
  cells themselves (wires, no noise), they are computed from those of programming, or programmed again and compared.
- ``cells``: a range of the cells of a layer as columns: where each lies, what it was to be, what it is.
- ``tables``: columns written to Parquet, CSV or NumPy files, chunk after chunk.
- ``exporting``: the verb ``export``.
- ``circuit``: one array of cells, its wires, drivers and sense amplifiers as lines of SPICE.
- ``netlist``: the verb ``netlist``: a tile, its cells and its voltages.
"""

from memrix.exports.exporting import export
from memrix.exports.netlist import netlist

__all__ = ["export", "netlist"]
