"""Programmed crossbars: integer matrices as cell states, multiplied by voltages, read by converters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, cast

import torch
from torch import Tensor, nn

from memrix.crossbar.degradation import Drift, Faults
from memrix.crossbar.mapping import Layout
from memrix.crossbar.protocols import ProgrammingProtocol, ProgrammingReport
from memrix.crossbar.readout import ReadCircuit
from memrix.device import DeviceParameters
from memrix.errors import ConversionError
from memrix.random import RandomStream, Seeds, derive, fill_normal_

# Elements of one buffer of a reading: a few fit into the last-level cache, and a chunk still has enough rows
# for a matrix product to be efficient.
_BUFFER = 1 << 20
_FEWEST_ROWS = 32


class Crossbar(nn.Module):
    """One or more integer matrices on differential pairs of cells (physics: Hennen et al.; bit slicing: 2505.24721).

    The cells' current is affine in their state, so a reading is one matrix product for its mean, one for the
    variance of its noise, and one normal number a conversion: exact while every cell conducts along its voltage.

    Args:
        integers: ``[groups, inputs, outputs]``, of magnitudes that the digits of the layout can hold.
        layout: digits and tiles.
        circuit: converters and noise.
        protocol: how the cells are programmed.
        parameters: the device technology.
        seeds: of the three random streams.
        name: tells the streams of one crossbar from those of another with the same seeds.
        faults: cells that are stuck.
        drift: of the conductances since programming.
        progress: called with the number of cells after each of them is programmed.

    Attributes:
        report: what it took to program the cells.
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
        integers: Tensor,
        *,
        layout: Layout,
        circuit: ReadCircuit,
        protocol: ProgrammingProtocol,
        parameters: DeviceParameters,
        seeds: Seeds,
        name: str,
        faults: Faults | None = None,
        drift: Drift | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.circuit = circuit
        self.name = name
        self.report = ProgrammingReport()
        self.conversions = 0
        self.clipped = 0
        self.read_stream = RandomStream(derive(seeds.read, "read", name))
        device = integers.device
        tables = circuit.tables(parameters, protocol.nominal_states(parameters))
        plane_weights = circuit.adc.step * torch.tensor(layout.plane_weights, dtype=torch.float32)
        self._no_row = tables.no_row
        for buffer, value in (
            ("mean_table", tables.mean),
            ("variance_offset_table", tables.variance_offset),
            ("variance_slope_table", tables.variance_slope),
            ("plane_weights", plane_weights[:, None]),
        ):
            self.register_buffer(buffer, value.to(device), persistent=False)
        self._program(
            integers,
            protocol,
            parameters,
            seeds,
            faults or Faults(),
            drift or Drift(),
            progress or (lambda cells: None),
        )

    def _program(
        self,
        integers: Tensor,
        protocol: ProgrammingProtocol,
        parameters: DeviceParameters,
        seeds: Seeds,
        faults: Faults,
        drift: Drift,
        progress: Callable[[int], None],
    ) -> None:
        layout, device = self.layout, integers.device
        shape = (layout.groups, layout.row_tiles * layout.rows, layout.planes, layout.outputs)
        difference = torch.zeros(shape, dtype=torch.float32, device=device)
        total = torch.zeros(shape if self.circuit.noise != "off" else (0,), dtype=torch.float32, device=device)
        nominal = protocol.nominal_states(parameters)

        def stream(seed: int, use: str) -> torch.Generator:
            return torch.Generator(device).manual_seed(derive(seed, use, self.name))

        chip, cycle = stream(seeds.chip, "chip"), stream(seeds.programming, "programming")
        # Streams of their own: the same chip with faults or drift has the same cells otherwise.
        stuck, aging = stream(seeds.chip, "faults"), stream(seeds.chip, "drift")

        def program(targets: Tensor) -> Tensor:
            states, report = protocol.program(targets, parameters, chip=chip, programming=cycle)
            drift.apply_(states, parameters, aging)
            faults.apply_(states, nominal, stuck)
            self.report += report
            progress(states.numel())
            return states

        for plane, positive_targets, negative_targets in layout.targets(integers):
            positive, negative = program(positive_targets), program(negative_targets)
            torch.sub(positive, negative, out=difference[:, : layout.inputs, plane])
            if total.numel():
                torch.add(positive, negative, out=total[:, : layout.inputs, plane])
        tiled = (layout.groups * layout.row_tiles, layout.rows, layout.planes * layout.outputs)
        self.register_buffer("difference", difference.view(tiled))
        self.register_buffer("total", total.view(tiled) if total.numel() else total)

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
        rows = max(_FEWEST_ROWS, _BUFFER // (arrays * columns))
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
                fill_normal_(noise, self.read_stream.on(codes.device))
            for first in range(0, shared, together):
                last = min(first + together, shared)
                block = codes[:, first:last, start:stop]
                target = result[:, first:last, start:stop]
                self._read(block, noise, work[:, : arrays * block[0, ..., 0].numel() * columns], target)
        self.conversions += layout.conversions * shared * vectors
        return result

    def _read(self, codes: Tensor, noise: Tensor, work: Tensor, result: Tensor) -> None:
        """Read one block of vectors, ``[groups, shared, vectors, inputs]``, into ``result``."""
        layout = self.layout
        groups, shared, vectors, inputs = codes.shape
        index = self._index(codes.reshape(groups, shared * vectors, inputs))
        shape = (groups * layout.row_tiles, shared * vectors, layout.planes * layout.outputs)
        steps = work[0].view(shape)
        torch.bmm(self._rows(self.mean_table, index), self.difference, out=steps)
        scratch = work[1].view(shape)
        if noise.numel():
            deviation = self._deviation(index, out=scratch)
            split = (shape[0], shared, vectors, shape[2])
            steps.view(split).addcmul_(deviation.view(split), noise)
        self.clipped += self.circuit.adc.convert_(steps, scratch)
        by_tile = steps.view(groups, layout.row_tiles, shared, vectors, layout.planes, layout.outputs)
        torch.sum(by_tile.sum(1).mul_(self.plane_weights), 3, out=result)

    def _index(self, codes: Tensor) -> Tensor:
        """Positions in the tables, ``[groups, vectors, row tiles, rows]``, of codes ``[groups, vectors, inputs]``."""
        layout = self.layout
        groups, vectors, inputs = codes.shape
        width = layout.row_tiles * layout.rows
        index = codes.to(torch.int32).add_(self.circuit.dac.largest_code)
        if width != inputs:
            index = nn.functional.pad(index, (0, width - inputs), value=self._no_row)
        return index.view(groups, vectors, layout.row_tiles, layout.rows)

    def _rows(self, table: Tensor, index: Tensor) -> Tensor:
        # [groups * row tiles, vectors, rows]: a view where there is one group or one tile
        return table.index_select(0, index.reshape(-1)).view(index.shape).transpose(1, 2).flatten(0, 1)

    def _deviation(self, index: Tensor, out: Tensor) -> Tensor:
        """Standard deviation of the noise of every conversion, in ADC steps."""
        offset = self._rows(self.variance_offset_table, index).sum(2, keepdim=True)
        torch.baddbmm(offset, self._rows(self.variance_slope_table, index), self.total, out=out)
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
