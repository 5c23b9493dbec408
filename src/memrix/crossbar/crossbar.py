"""Programmed crossbars: integer matrices as cell states, multiplied by voltages, read by converters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Self, cast

import torch
from torch import Tensor

from memrix._support.random import derive
from memrix._support.streams import Stream
from memrix.crossbar.adc import ADC
from memrix.crossbar.as_programmed import AsProgrammed
from memrix.crossbar.circuit import ReadCircuit
from memrix.crossbar.codes import require_codes, require_vectors
from memrix.crossbar.converters import draw_errors
from memrix.crossbar.counts import Counts
from memrix.crossbar.disturbing import after_reading, after_reading_rows, before_reading
from memrix.crossbar.mapping import Layout
from memrix.crossbar.operator import read_single_rows, read_vectors
from memrix.crossbar.pairs import Pairs
from memrix.crossbar.products import tiled_product
from memrix.crossbar.reach import ExposedCells, Reach
from memrix.crossbar.read import Shape, look_up
from memrix.crossbar.record import ADC_KEY, CLIPPED, CONVERSIONS, KEY, LENGTH, READINGS, Recorded
from memrix.crossbar.word_lines import WordLines
from memrix.device import CellCurrent, DeviceParameters


class Crossbar(Recorded):
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
        chip_seed: of its converters, where they have errors.

    Attributes:
        report: what it took to program the cells.
        nominal_states: mean state of ON and of OFF cells.
        wire_share, wire_scales: as of ``Pairs``.
        cell_parameters: the device technology.
        programmed_reach: the cells that a reading may switch, as programmed; None where that is not known.
        read_seed: of the read noise.
        digital_gain: factor of results, of the levels of the DAC; a row that is looked up needs none.
        word_lines: where readings switch cells.
        as_programmed: states at the time of programming, where these are others.
    """

    difference: Tensor  # [groups * row tiles, rows, planes * outputs]: r+ - r-
    total: Tensor  # of the same shape: r+ + r-; empty without noise
    line_states: Tensor | None  # of Pairs, where total does not tell it: with wires, and without noise
    tables: Tensor  # [(bits,) 1 or 3, codes]: of the mean; with noise of slope and offset of the variance too
    plane_weights: Tensor  # [planes]: what an ADC step is worth, in integer weights
    adc_errors: Tensor | None  # see memrix.crossbar.converters; None: ideal ones
    record: Tensor  # int64 [5]: see memrix.crossbar.record
    unit: Tensor  # scalar 1: codes of the DAC as inputs
    word_lines: WordLines | None
    as_programmed: AsProgrammed | None

    def __init__(
        self,
        pairs: Pairs,
        *,
        layout: Layout,
        circuit: ReadCircuit,
        parameters: DeviceParameters,
        read_seed: int,
        name: str,
        chip_seed: int = 0,
    ) -> None:
        super().__init__()
        self.layout, self.circuit, self.cell_parameters = layout, circuit, parameters
        self.name, self.chip_seed = name, chip_seed
        self.report, self.wire_share, self.wire_scales = pairs.report, pairs.wire_share, pairs.wire_scales
        self.programmed_reach, self.nominal_states = pairs.reach, pairs.nominal_states
        self.shape = Shape(layout.groups, layout.inputs, layout.outputs, layout.planes, layout.base, layout.rows)
        device = pairs.difference.device
        # What inference mode makes could not be changed outside of it.
        with torch.inference_mode(False):
            self.register_buffer("record", torch.zeros(LENGTH, dtype=torch.int64, device=device), persistent=False)
            self.register_buffer("unit", torch.ones((), device=device, dtype=torch.float32), persistent=False)
        self.restart(derive(read_seed, "read", name))
        for name, states in pairs.kept(noise=circuit.noise.kind != "off").items():
            self.register_buffer(name, states)
        self.word_lines = self.as_programmed = None
        self.set_converter(circuit.adc)

    def expose(self, exposed: ExposedCells, seed: int) -> None:
        """Let readings switch cells from now on; ``seed``: of the cells' cycles."""
        volts = torch.from_numpy(self.circuit.dac.voltages(CellCurrent(self.cell_parameters))).float()
        self.word_lines = WordLines(exposed, self.layout, volts, self.cell_parameters, seed)

    def hold_(self, pairs: Pairs) -> None:
        """Read other states of the same cells from now on."""
        self.wire_share = pairs.wire_share
        for name, states in pairs.kept(noise=self.circuit.noise.kind != "off").items():
            own = self._buffers[name]
            self._buffers[name] = states if own is None or states is None else own.copy_(states)

    def settle_(self) -> None:
        """Let the readings so far switch the cells that they do: they act before the next one otherwise."""
        if self.word_lines is not None:
            self.word_lines.act_(self.difference, self.total, self.as_programmed, self.line_states)

    def reach(self) -> Reach | None:
        """The cells that a reading at the extreme voltages would switch; None where that is not known."""
        self.settle_()
        return self.programmed_reach if self.word_lines is None else self.word_lines.reach()

    def set_converter(self, adc: ADC) -> None:
        """Read with other settings of the ADCs from now on; what they draw follows from ``chip_seed``."""
        self.circuit = replace(self.circuit, adc=adc)
        levels, converters = (Stream.of(self.chip_seed, use, self.name) for use in ("levels", "converters"))
        tables = self.circuit.tables(self.cell_parameters, self.nominal_states, levels)
        used = tables if self.total.numel() else tables[..., :1, :].contiguous()
        self.digital_gain = self.circuit.dac.digital_gain(CellCurrent(self.cell_parameters))
        weights = adc.step * torch.tensor(self.layout.plane_weights, dtype=torch.float32)
        device = self.difference.device
        errors = draw_errors(adc, self.layout, converters, device)
        for buffer, value in (("tables", used.to(device)), ("plane_weights", weights.to(device))):
            self.register_buffer(buffer, value, persistent=False)
        self.register_buffer("adc_errors", errors, persistent=False)

    @property
    def counts(self) -> Counts:
        """Conversions so far."""
        conversions, clipped = self.record[[CONVERSIONS, CLIPPED]].tolist()
        return Counts(conversions, clipped)

    def reset_counts(self) -> None:
        """Count conversions from 0 again."""
        self.record[CONVERSIONS : CLIPPED + 1] = 0

    def restart(self, seed: int) -> None:
        """Repeat the readings that follow from a seed."""
        self.read_seed = seed
        self.record[KEY], self.record[ADC_KEY] = Stream.of(seed, "read").signed, Stream.of(seed, "adc").signed
        self.record[READINGS] = 0

    def continue_from(self, other: Crossbar) -> None:
        """Go on counting readings and conversions where another one is."""
        self.read_seed = other.read_seed
        self.record.copy_(other.record)

    @property
    def result_weight(self) -> float:
        """What a result of 1 of ``read`` is worth, in integer weights: a step of the lowest plane, corrected."""
        cycles = sum(self.circuit.dac.cycle_weights)  # of a full code
        return self.circuit.adc.step * self.layout.plane_weights[0] * self.digital_gain / cycles

    @property
    def means(self) -> Tensor:
        """``[codes]``, float32: mean contribution of a cell at every DAC code, in ADC steps of a full one."""
        if self.tables.dim() == 2:
            return self.tables[0]
        weights = self.tables.new_tensor(self.circuit.dac.cycle_weights)
        return (weights[:, None] * self.tables[:, 0]).sum(0) / self.circuit.dac.largest_code

    def matrices(self) -> Tensor:
        """``[groups, inputs, outputs]``, float32: weights that cells held at the last reading, in integer steps."""
        layout = self.layout
        digits = self.difference.view(layout.groups, -1, layout.planes, layout.outputs)[:, : layout.inputs]
        return torch.einsum("gipo,p->gio", digits, self.plane_weights * self.means[-1])

    def transfer(self) -> Tensor:
        """``[codes]``, float32: mean result of a cell at every DAC code, in weights that ``matrices`` gives.

        The current as a share of that at the largest code, times the digital gain.
        """
        return self.means / self.means[-1] * self.digital_gain

    def read(
        self,
        windows: Tensor,
        vector_axes: int,
        codes_per_unit: Tensor,
        scale: Tensor,
        offset: Tensor | None = None,
        weight: Tensor | None = None,
        written: Tensor | None = None,
    ) -> Tensor:
        """Multiply inputs by the programmed matrices.

        Args:
            windows: float32 ``[groups, *vectors, *inputs]``, which may be a view whose windows overlap. With
                ``legacy`` noise the items of the first axis of the vectors share that of every cell.
            vector_axes: axes of the vectors.
            codes_per_unit: DAC codes of an input of 1, a float32 scalar.
            scale: of results in ADC steps of the lowest bit slice: ``[1]`` or ``[groups * outputs]``.
            offset: added to them then, likewise.
            weight: that the cells must have been written from, if anyone asks.
            written: what ``memrix.crossbar.fingerprint.written_as`` said of it.

        Returns:
            float32 ``[groups, n, outputs]``.

        Raises:
            InputError: vectors of another length or number of groups; or a graph is to be recorded of readings
                that switch cells.
            InputError: an input is not finite.
            WriteError: the weight is another.
        """
        require_vectors(windows, vector_axes, self.layout, self.name)
        before_reading(self)
        results = read_vectors(self, windows, vector_axes, codes_per_unit, scale, offset, weight, written)
        after_reading(self, windows, vector_axes, codes_per_unit)
        return results

    def forward(self, codes: Tensor) -> Tensor:
        """Multiply DAC codes by the programmed matrices, in units of the largest code times an integer weight.

        Args:
            codes: ``[groups, items, vectors, inputs]``, whole numbers of any type.

        Returns:
            float32 ``[groups, items, vectors, outputs]``.

        Raises:
            InputError: what is given is no tensor of codes of the DAC, or vectors of another length.
        """
        require_codes(codes, self.circuit.dac, 4, self.name)
        scale = torch.full((1,), self.result_weight, dtype=torch.float32, device=codes.device)
        results = self.read(codes.detach().float(), 2, self.unit, scale)
        return results.view(*codes.shape[:-1], self.layout.outputs)

    @torch.no_grad()
    def readings(self, codes: Tensor) -> Tensor:
        """What the ADCs are given, without noise.

        Args:
            codes: ``[groups, vectors, inputs]``.

        Returns:
            float32 ``[groups, row tiles, vectors, planes, outputs]``; 1 is a full pair at the largest code. Of
            bit-serial inputs, those of all row tiles follow for every bit from the lowest.

        Raises:
            InputError: what is given is no tensor of codes of the DAC, or vectors of another length.
        """
        require_codes(codes, self.circuit.dac, 3, self.name)
        require_vectors(codes, 1, self.layout, self.name)
        self.settle_()
        layout = self.layout
        means = look_up(codes.float(), self.unit, self.tables.view(-1, *self.tables.shape[-2:])[:, 0])
        steps = torch.stack([tiled_product(each, self.difference, layout.rows) for each in means])
        steps = steps.mul_(self.circuit.adc.step).unflatten(1, (layout.groups, layout.row_tiles))  # type: ignore[no-untyped-call]
        if self.word_lines is not None:
            self.word_lines.see_(codes)
        by_group: Tensor = steps.transpose(0, 1).flatten(1, 2)
        return by_group.unflatten(-1, (layout.planes, layout.outputs))  # type: ignore[no-untyped-call, no-any-return]

    def read_rows(self, rows: Tensor, weight: Tensor | None = None, written: Tensor | None = None) -> Tensor:
        """Read single rows at the largest code, all others at rest; only the tile that holds the row is converted.

        Args:
            rows: numbers of inputs of the only group, int64 ``[n]``.
            weight: that the cells must have been written from, if anyone asks.
            written: what ``memrix.crossbar.fingerprint.written_as`` said of it.

        Returns:
            float32 ``[n, outputs]``, in integer weights.

        Raises:
            InputError: there is no such row.
            WriteError: the weight is another.
        """
        before_reading(self)
        results = read_single_rows(self, rows, weight, written)
        after_reading_rows(self, rows)
        return results

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # Cells follow the network to another device, never to another precision: their states are physical.
        def keep_precision(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return cast(Self, super()._apply(keep_precision, recurse))  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        layout = self.layout
        size = f"{layout.groups} x {layout.inputs} x {layout.outputs}, {layout.planes} planes"
        return f"{size}, {layout.cells} cells, noise={self.circuit.noise.kind}"
