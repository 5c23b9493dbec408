"""Programmed crossbars: integer matrices as cell states, multiplied by voltages, read by converters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Self, cast

import torch
from torch import Tensor, nn

from memrix._support.random import RandomStream, derive, fill_noise_
from memrix.crossbar.blocks import Counts, Kept
from memrix.crossbar.codes import require_codes, require_rows, require_vectors
from memrix.crossbar.converters import ADC
from memrix.crossbar.mapping import Layout
from memrix.crossbar.pairs import Pairs
from memrix.crossbar.products import TiledProduct, at
from memrix.crossbar.reach import ExposedCells, Reach
from memrix.crossbar.reader import Reader
from memrix.crossbar.readout import ReadCircuit
from memrix.crossbar.word_lines import WordLines
from memrix.device import CellCurrent, DeviceParameters


class Crossbar(nn.Module):
    """One or more integer matrices on differential pairs of cells (physics: Hennen et al.; bit slicing: 2505.24721).

    The cells' current is affine in their state, so a reading is one matrix product for its mean, one for the
    variance of its noise, and one normal number a conversion: exact while every cell conducts along its voltage.

    Args:
        pairs: programmed cells.
        layout: digits and tiles.
        circuit: converters and noise.
        parameters: the device technology.
        read_seed: of the read noise.
        name: tells the streams of one crossbar from those of another with the same seeds.

    Attributes:
        report: what it took to program the cells.
        nominal_states: mean state of ON and of OFF cells.
        cell_parameters: the device technology.
        programmed_reach: the cells that a reading may switch, as programmed; None where that is not known.
        counts: of conversions so far.
        digital_gain: factor of results, of the levels of the DAC; a row that is looked up needs none.
        word_lines: where readings switch cells.
    """

    difference: Tensor  # [groups * row tiles, rows, planes * outputs]: r+ - r-
    total: Tensor  # of the same shape: r+ + r-; empty without noise
    tables: Tensor  # [1 or 3, codes]: of the mean; with noise of slope and offset of the variance too
    plane_weights: Tensor  # [planes]: what an ADC step is worth, in integer weights
    rest: Tensor  # scalar: position of code 0 in the tables
    word_lines: WordLines | None

    def __init__(
        self,
        pairs: Pairs,
        *,
        layout: Layout,
        circuit: ReadCircuit,
        parameters: DeviceParameters,
        read_seed: int,
        name: str,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.circuit = circuit
        self.cell_parameters = parameters
        self.name = name
        self.report = pairs.report
        self.programmed_reach = pairs.reach
        self.nominal_states = pairs.nominal_states
        self.counts = Counts()
        self.kept = Kept()
        self.read_stream = RandomStream(derive(read_seed, "read", name))
        self.register_buffer("difference", pairs.difference)
        self.register_buffer("total", pairs.total if circuit.noise != "off" else pairs.total.new_empty(0))
        self.word_lines = None
        self.set_converter(circuit.adc)

    def expose(self, exposed: ExposedCells, seed: int) -> None:
        """Let readings switch cells from now on; ``seed``: of the cells' cycles."""
        volts = torch.from_numpy(self.circuit.dac.voltages(CellCurrent(self.cell_parameters))).float()
        self.word_lines = WordLines(exposed, self.layout, volts, self.cell_parameters, seed)

    def settle_(self) -> None:
        """Let the readings so far switch the cells that they do: they act before the next one otherwise."""
        if self.word_lines is not None:
            self.word_lines.act_(self.difference, self.total)

    def reach(self) -> Reach | None:
        """The cells that a reading at the extreme voltages would switch; None where that is not known."""
        self.settle_()
        return self.programmed_reach if self.word_lines is None else self.word_lines.reach()

    def set_converter(self, adc: ADC) -> None:
        """Read with another ADC from now on."""
        self.circuit = replace(self.circuit, adc=adc)
        tables = self.circuit.tables(self.cell_parameters, self.nominal_states)
        rows = (tables.mean, tables.variance_slope, tables.variance_offset)
        # In one tensor they are looked up all at once.
        used = torch.stack(rows if self.total.numel() else rows[:1])
        self.digital_gain = self.circuit.dac.digital_gain(CellCurrent(self.cell_parameters))
        weights = adc.step * torch.tensor(self.layout.plane_weights, dtype=torch.float32)
        rest = torch.tensor(self.circuit.dac.largest_code, dtype=torch.int32)
        for buffer, value in (("tables", used), ("plane_weights", weights), ("rest", rest)):
            self.register_buffer(buffer, value.to(self.difference.device), persistent=False)

    @property
    def result_weight(self) -> float:
        """What a result of 1 of a ``Reader`` is worth, in integer weights: a step of the lowest plane, corrected."""
        return self.circuit.adc.step * self.layout.plane_weights[0] * self.digital_gain

    def matrices(self) -> Tensor:
        """``[groups, inputs, outputs]``, float32: the weights that the cells held at the last reading.

        In integer steps.
        """
        layout = self.layout
        digits = self.difference.view(layout.groups, -1, layout.planes, layout.outputs)[:, : layout.inputs]
        return torch.einsum("gipo,p->gio", digits, self.plane_weights * self.tables[0, -1])

    def transfer(self) -> Tensor:
        """``[codes]``, float32: mean result of a cell at every DAC code, in weights that ``matrices`` gives.

        The current as a share of that at the largest code, times the digital gain.
        """
        return self.tables[0] / self.tables[0, -1] * self.digital_gain

    def forward(self, codes: Tensor) -> Tensor:
        """Multiply DAC codes by the programmed matrices.

        As a ``Reader`` does, but in units of the largest code times an integer weight.

        Raises:
            InputError: what is given is no tensor of codes of the DAC, or vectors of another length.
        """
        require_codes(codes, self.circuit.dac, 4, self.name)
        return Reader(self)(codes).mul_(self.result_weight)

    @torch.no_grad()
    def readings(self, codes: Tensor) -> Tensor:
        """What the ADCs are given, without noise.

        Args:
            codes: ``[groups, vectors, inputs]``.

        Returns:
            float32 ``[groups, row tiles, vectors, planes, outputs]``; 1 is a full pair at the largest code.

        Raises:
            InputError: what is given is no tensor of codes of the DAC, or vectors of another length.
        """
        require_codes(codes, self.circuit.dac, 3, self.name)
        require_vectors(codes, self.layout, self.name)
        self.settle_()
        layout = self.layout
        columns = layout.planes * layout.outputs
        shape = (layout.groups, layout.row_tiles, codes.shape[1])
        steps = torch.empty((*shape, columns), dtype=torch.float32, device=codes.device)
        product = TiledProduct(layout, self.difference, steps)
        product(product.tiled(at(self.tables[0], codes, self.rest)))
        if self.word_lines is not None:
            self.word_lines.see_(codes)
        return steps.mul_(self.circuit.adc.step).view(*shape, layout.planes, layout.outputs)

    @torch.no_grad()
    def look_up(self, rows: Tensor) -> Tensor:
        """Read single rows at the largest code, all others at rest; only the tile that holds the row is converted.

        Args:
            rows: numbers of inputs of the only group, int64 ``[vectors]``.

        Returns:
            float32 ``[vectors, outputs]``, in integer weights.

        Raises:
            InputError: what is given are no numbers of rows.
        """
        require_rows(rows, self.layout, self.name)
        self.settle_()
        layout = self.layout
        full, rest = self.circuit.dac.codes_count - 1, self.circuit.dac.largest_code
        steps = self.difference.flatten(0, 1).index_select(0, rows).mul_(self.tables[0, full])
        if self.total.numel():
            own = self.total.flatten(0, 1).index_select(0, rows)
            tiles, tile_of = torch.unique(rows // layout.rows, return_inverse=True)
            others = self.total[tiles].sum(1)[tile_of].sub_(own)
            resting = torch.clamp(layout.inputs - tiles * layout.rows, max=layout.rows)[tile_of, None] - 1
            _, slope, offset = self.tables
            variance = own.mul_(slope[full]).add_(others, alpha=float(slope[rest])).add_(offset[full])
            variance += offset[rest] * resting
            noise = torch.empty_like(steps)
            fill_noise_(noise, self.read_stream.on(steps.device))
            steps.addcmul_(variance.clamp_(min=0).sqrt_(), noise)
        if steps.numel():
            self.counts.clipped += self.circuit.adc.convert_(steps)
        self.counts.conversions += steps.numel()
        if self.word_lines is not None:
            self.word_lines.see_rows_(rows)
        return steps.view(-1, layout.planes, layout.outputs).mul_(self.plane_weights[:, None]).sum(1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # Cells follow the network to another device, never to another precision: their states are physical.
        def keep_precision(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        self.kept = Kept()  # it holds the cells that were
        return cast(Self, super()._apply(keep_precision, recurse))  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        layout = self.layout
        return (
            f"{layout.groups} x {layout.inputs} x {layout.outputs}, {layout.planes} planes, "
            f"{layout.cells} cells, noise={self.circuit.noise}"
        )
