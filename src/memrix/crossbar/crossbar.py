"""Programmed crossbars: integer matrices as cell states, multiplied by voltages, read by converters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Self, cast

import torch
from torch import Tensor, nn

from memrix.crossbar.converters import ADC
from memrix.crossbar.mapping import Layout
from memrix.crossbar.pairs import Pairs
from memrix.crossbar.readout import ReadCircuit
from memrix.device import DeviceParameters
from memrix.errors import ConversionError
from memrix.random import RandomStream, derive, fill_noise_

# Elements of one buffer of a reading, of inputs or of conversions: a few fit into the last-level cache, and a chunk
# still has enough rows for a matrix product to be efficient.
_BUFFER = 1 << 20
_FEWEST_ROWS = 32


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
        conversions: of the ADCs so far.
        clipped: those of them that were clipped.
    """

    difference: Tensor  # [groups * row tiles, rows, planes * outputs]: r+ - r-
    total: Tensor  # of the same shape: r+ + r-; empty without noise
    mean_table: Tensor
    variance_offset_table: Tensor
    variance_slope_table: Tensor
    plane_weights: Tensor

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
        self.nominal_states = pairs.nominal_states
        self.conversions = 0
        self.clipped = 0
        self.read_stream = RandomStream(derive(read_seed, "read", name))
        self.register_buffer("difference", pairs.difference)
        self.register_buffer("total", pairs.total if circuit.noise != "off" else pairs.total.new_empty(0))
        self.set_converter(circuit.adc)

    def set_converter(self, adc: ADC) -> None:
        """Read with another ADC from now on."""
        self.circuit = replace(self.circuit, adc=adc)
        tables = self.circuit.tables(self.cell_parameters, self.nominal_states)
        weights = adc.step * torch.tensor(self.layout.plane_weights, dtype=torch.float32)
        for buffer, value in (
            ("mean_table", tables.mean),
            ("variance_offset_table", tables.variance_offset),
            ("variance_slope_table", tables.variance_slope),
            ("plane_weights", weights[:, None]),
        ):
            self.register_buffer(buffer, value.to(self.difference.device), persistent=False)

    def matrices(self) -> Tensor:
        """``[groups, inputs, outputs]``, float32: the weights that the cells hold, in integer steps."""
        layout = self.layout
        digits = self.difference.view(layout.groups, -1, layout.planes, layout.outputs)[:, : layout.inputs]
        return torch.einsum("gipo,p->gio", digits, self.plane_weights[:, 0] * self.mean_table[-1])

    def transfer(self) -> Tensor:
        """``[codes]``, float32: mean current of a cell at every DAC code, as a share of that at the largest."""
        return self.mean_table / self.mean_table[-1]

    def forward(self, codes: Tensor) -> Tensor:
        """Multiply DAC codes by the programmed matrices.

        Args:
            codes: ``[groups, shared, vectors, inputs]``, integers of any type. Readings draw their noise apart,
                but for ``legacy`` noise, which the vectors of the second axis share.

        Returns:
            float32 ``[groups, shared, vectors, outputs]``, in units of the largest code times an integer weight.

        Raises:
            ConversionError: vectors of another length or number of groups.
        """
        groups, shared, vectors, inputs = codes.shape
        layout = self.layout
        if (groups, inputs) != (layout.groups, layout.inputs):
            raise ConversionError(
                f"the crossbar of layer {self.name!r} holds {layout.groups} matrices of {layout.inputs} inputs, "
                f"got vectors for {groups} of {inputs}; give inputs of the shape that the layer was made for"
            )
        result = torch.empty((groups, shared, vectors, layout.outputs), dtype=torch.float32, device=codes.device)
        if not result.numel():
            return result
        columns = layout.planes * layout.outputs
        arrays = groups * layout.row_tiles
        rows = max(_FEWEST_ROWS, _BUFFER // (arrays * max(columns, layout.rows)))
        length = min(vectors, rows)
        together = min(shared, max(1, rows // length))
        noisy = self.total.numel() > 0
        device = codes.device
        work = torch.empty((2, arrays * together * length * columns), dtype=torch.float32, device=device)
        normals = torch.empty(arrays * length * columns if noisy else 0, dtype=torch.float32, device=device)
        for start in range(0, vectors, length):
            stop = min(start + length, vectors)
            noise = normals
            if noisy:
                noise = normals[: arrays * (stop - start) * columns].view(arrays, 1, stop - start, columns)
                fill_noise_(noise, self.read_stream.on(codes.device))
            for first in range(0, shared, together):
                last = min(first + together, shared)
                block = codes[:, first:last, start:stop]
                target = result[:, first:last, start:stop]
                self._read(block, noise, work[:, : arrays * block[0, ..., 0].numel() * columns], target)
        self.conversions += layout.conversions * shared * vectors
        return result

    @torch.no_grad()
    def readings(self, codes: Tensor) -> Tensor:
        """What the ADCs are given, without noise.

        Args:
            codes: ``[groups, vectors, inputs]``.

        Returns:
            float32 ``[groups, row tiles, vectors, planes, outputs]``; 1 is a full pair at the largest code.
        """
        layout = self.layout
        columns = layout.planes * layout.outputs
        shape = (layout.groups, layout.row_tiles, codes.shape[1])
        steps = torch.empty((*shape, columns), dtype=torch.float32, device=codes.device)
        self._multiply(self.mean_table, self._index(codes), self.difference, out=steps)
        return steps.mul_(self.circuit.adc.step).view(*shape, layout.planes, layout.outputs)

    @torch.no_grad()
    def look_up(self, rows: Tensor) -> Tensor:
        """Read single rows at the largest code, all others at rest; only the tile that holds the row is converted.

        Args:
            rows: numbers of inputs of the only group, int64 ``[vectors]``.

        Returns:
            float32 ``[vectors, outputs]``, in integer weights.
        """
        layout = self.layout
        full, rest = self.circuit.dac.codes_count - 1, self.circuit.dac.largest_code
        steps = self.difference.flatten(0, 1).index_select(0, rows).mul_(self.mean_table[full])
        if self.total.numel():
            own = self.total.flatten(0, 1).index_select(0, rows)
            tiles, tile_of = torch.unique(rows // layout.rows, return_inverse=True)
            others = self.total[tiles].sum(1)[tile_of].sub_(own)
            resting = torch.clamp(layout.inputs - tiles * layout.rows, max=layout.rows)[tile_of, None] - 1
            offset, slope = self.variance_offset_table, self.variance_slope_table
            variance = own.mul_(slope[full]).add_(others, alpha=float(slope[rest])).add_(offset[full])
            variance += offset[rest] * resting
            noise = torch.empty_like(steps)
            fill_noise_(noise, self.read_stream.on(steps.device))
            steps.addcmul_(variance.clamp_(min=0).sqrt_(), noise)
        if steps.numel():
            self.clipped += self.circuit.adc.convert_(steps)
        self.conversions += steps.numel()
        return steps.view(-1, layout.planes, layout.outputs).mul_(self.plane_weights).sum(1)

    def _read(self, codes: Tensor, noise: Tensor, work: Tensor, result: Tensor) -> None:
        """Read one block of vectors, ``[groups, shared, vectors, inputs]``, into ``result``."""
        layout = self.layout
        groups, shared, vectors, _ = codes.shape
        index = self._index(codes.flatten(1, 2))
        shape = (groups, layout.row_tiles, shared * vectors, layout.planes * layout.outputs)
        steps, scratch = work.view(2, *shape)
        self._multiply(self.mean_table, index, self.difference, out=steps)
        if noise.numel():
            deviation = self._deviation(index, out=scratch)
            split = (groups * layout.row_tiles, shared, vectors, shape[-1])
            steps.view(split).addcmul_(deviation.view(split), noise)
        self.clipped += self.circuit.adc.convert_(steps, scratch)
        by_tile = steps.view(groups, layout.row_tiles, shared, vectors, layout.planes, layout.outputs)
        torch.sum(by_tile.sum(1).mul_(self.plane_weights), 3, out=result)

    def _index(self, codes: Tensor) -> Tensor:
        """Positions in the tables of codes ``[groups, vectors, inputs]``, which keep their order in memory."""
        return codes.to(torch.int32).add_(self.circuit.dac.largest_code)

    def _multiply(
        self, table: Tensor, index: Tensor, cells: Tensor, *, out: Tensor, offsets: Tensor | None = None
    ) -> None:
        """Values of a table times cells, tile by tile, and offsets of every input added up on top of that.

        ``out``: ``[groups, row tiles, vectors, planes * outputs]``.
        """
        groups = index.shape[0]
        tiled_cells = cells.view(groups, -1, self.layout.rows, cells.shape[-1])
        added = None if offsets is None else self._tiles(_at(offsets, index))
        for number, (tiles, values) in enumerate(self._tiles(_at(table, index))):
            target, held = out[:, tiles], tiled_cells[:, tiles, : values.shape[-1]]
            together = groups == 1 or values.shape[1] == 1
            product = target.flatten(0, 1) if together else torch.empty_like(target).flatten(0, 1)
            if added is None:
                torch.bmm(values.flatten(0, 1), held.flatten(0, 1), out=product)
            else:
                sums = added[number][1].sum(-1, keepdim=True)
                torch.baddbmm(sums.flatten(0, 1), values.flatten(0, 1), held.flatten(0, 1), out=product)
            if not together:
                target.copy_(product.view_as(target))

    def _tiles(self, values: Tensor) -> list[tuple[slice, Tensor]]:
        """Views ``[groups, tiles, vectors, rows]`` of ``[groups, vectors, inputs]``: the full tiles, the rest."""
        groups, vectors, inputs = values.shape
        rows = self.layout.rows
        full = inputs // rows
        whole = values[..., : full * rows].view(groups, vectors, full, rows).transpose(1, 2)
        if full == self.layout.row_tiles:
            return [(slice(full), whole)]
        # Rows that the last tile does not have cost nothing.
        return [(slice(full), whole), (slice(full, full + 1), values[:, None, :, full * rows :])]

    def _deviation(self, index: Tensor, out: Tensor) -> Tensor:
        """Standard deviation of the noise of every conversion, in ADC steps."""
        offsets = self.variance_offset_table
        self._multiply(self.variance_slope_table, index, self.total, out=out, offsets=offsets)
        # A cell in a million conducts against a voltage of some mV; its share of the variance is below 0.
        return out.clamp_(min=0).sqrt_()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # Cells follow the network to another device, never to another precision: their states are physical.
        def keep_precision(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return cast(Self, super()._apply(keep_precision, recurse))  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        layout = self.layout
        return (
            f"{layout.groups} x {layout.inputs} x {layout.outputs}, {layout.planes} planes, "
            f"{layout.cells} cells, noise={self.circuit.noise}"
        )


def _at(table: Tensor, index: Tensor) -> Tensor:
    """Values of a table at int32 positions ``[groups, vectors, inputs]``, which keep their order in memory."""
    order = (0, 1, 2) if index.is_contiguous() else (0, 2, 1)
    ordered = index.permute(order)
    return table.index_select(0, ordered.reshape(-1)).view(ordered.shape).permute(order)
