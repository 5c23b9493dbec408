"""Reading a crossbar time after time: buffers, and views of them and of the cells, are made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from memrix.crossbar.mapping import Layout
from memrix.crossbar.products import TiledProduct, at
from memrix.crossbar.readout import ReadCircuit
from memrix.errors import ConversionError
from memrix.random import RandomStream, fill_noise_

# Elements of one buffer of a reading, of inputs or of conversions: a few fit into the last-level cache, and a chunk
# still has enough rows for a matrix product to be efficient.
_BUFFER = 1 << 20
_FEWEST_ROWS = 32


@dataclass
class Counts:
    """How often the ADCs of a crossbar were used.

    Attributes:
        conversions: of all columns.
        clipped: those of them that were clipped.
    """

    conversions: int = 0
    clipped: int = 0


class Readable(Protocol):
    """What is read: cells, the circuit around them, and what is kept of readings.

    Attributes:
        name: in messages.
        layout: of the cells.
        circuit: converters and noise.
        read_stream: of the noise.
        counts: of conversions so far.
        difference: ``r+ - r-``, float32 ``[groups * row tiles, rows, planes * outputs]``.
        total: ``r+ + r-`` of the same shape; empty without noise.
        tables: ``[1 or 3, codes]``: of the mean; with noise of slope and offset of the variance too.
        rest: position of code 0 in them, an int32 scalar.
    """

    name: str
    layout: Layout
    circuit: ReadCircuit
    read_stream: RandomStream
    counts: Counts
    difference: Tensor
    total: Tensor
    tables: Tensor
    rest: Tensor


class Reader:
    """Multiplies vectors by a crossbar as often as it is called; the crossbar must not change meanwhile.

    Args:
        crossbar: programmed.
        times: calls to come: small readings draw their noise for many calls at once.
    """

    def __init__(self, crossbar: Readable, times: int = 1) -> None:
        self._crossbar = crossbar
        self._times = times
        self._shape: tuple[int, int] | None = None

    def __call__(self, codes: Tensor) -> Tensor:
        """Multiply DAC codes by the programmed matrices.

        Args:
            codes: ``[groups, shared, vectors, inputs]``, whole numbers of any type. Readings draw their noise apart,
                but for ``legacy`` noise, which the vectors of the second axis share.

        Returns:
            float32 ``[groups, shared, vectors, outputs]``: whole numbers of ADC steps of the lowest plane.

        Raises:
            ConversionError: vectors of another length or number of groups.
        """
        crossbar = self._crossbar
        layout = crossbar.layout
        groups, shared, vectors, inputs = codes.shape
        if (groups, inputs) != (layout.groups, layout.inputs):
            raise ConversionError(
                f"the crossbar of layer {crossbar.name!r} holds {layout.groups} matrices of {layout.inputs} inputs, "
                f"got vectors for {groups} of {inputs}; give inputs of the shape that the layer was made for"
            )
        result = torch.empty((groups, shared, vectors, layout.outputs), dtype=torch.float32, device=codes.device)
        if not result.numel():
            return result
        if self._shape != (shared, vectors):
            self._prepare(shared, vectors, codes.device)
        if self._whole is not None:
            noise = None if self._noise is None else self._noise.take(vectors)
            clipped = self._whole(codes, noise, result)
        else:
            clipped = self._in_blocks(codes, result)
        counts = crossbar.counts
        counts.conversions += self._conversions
        counts.clipped += clipped
        self._times -= 1
        return result

    def _prepare(self, shared: int, vectors: int, device: torch.device) -> None:
        """Buffers for vectors ``[groups, shared, vectors, inputs]``."""
        crossbar = self._crossbar
        layout = crossbar.layout
        columns, arrays = layout.planes * layout.outputs, layout.groups * layout.row_tiles
        rows = max(_FEWEST_ROWS, _BUFFER // (arrays * max(columns, layout.rows)))
        self._shape = shared, vectors
        self._length = min(vectors, rows)
        self._together = min(shared, max(1, rows // self._length))
        self._work = torch.empty(
            (2, arrays * self._together * self._length * columns), dtype=torch.float32, device=device
        )
        whole = self._shape == (self._together, self._length)
        self._whole = _Block(crossbar, shared, vectors, self._work) if whole else None
        noise = _Noise(crossbar.read_stream, (arrays, columns), device, self._times if whole else 1)
        self._noise = noise if crossbar.total.numel() else None
        self._conversions = layout.conversions * shared * vectors

    def _in_blocks(self, codes: Tensor, result: Tensor) -> int:
        """Read more vectors than fit into the buffers; returns how many conversions were clipped."""
        _, shared, vectors, _ = codes.shape
        blocks: dict[tuple[int, int], _Block] = {}
        clipped = 0
        for start in range(0, vectors, self._length):
            stop = min(start + self._length, vectors)
            noise = None if self._noise is None else self._noise.take(stop - start)
            for first in range(0, shared, self._together):
                last = min(first + self._together, shared)
                shape = last - first, stop - start
                if shape not in blocks:
                    blocks[shape] = _Block(self._crossbar, *shape, self._work)
                clipped += blocks[shape](codes[:, first:last, start:stop], noise, result[:, first:last, start:stop])
        return clipped


class _Block:
    """Readings of vectors ``[groups, shared, vectors, inputs]`` that fit into the buffers ``work``."""

    def __init__(self, crossbar: Readable, shared: int, vectors: int, work: Tensor) -> None:
        layout = crossbar.layout
        groups, tiles, planes, outputs = layout.groups, layout.row_tiles, layout.planes, layout.outputs
        shape = (groups, tiles, shared * vectors, planes * outputs)
        size = groups * tiles * shared * vectors * planes * outputs
        steps, deviation = (buffer[:size].view(shape) for buffer in work)
        self._adc, self._rest = crossbar.circuit.adc, crossbar.rest
        self._mean = TiledProduct(layout, crossbar.difference, steps)
        self._tables = crossbar.tables[0]
        if crossbar.total.numel():
            self._tables = crossbar.tables
            self._variance = TiledProduct(layout, crossbar.total, deviation)
        # Noise is the same for all that is shared: [arrays, shared, vectors, columns]
        split = (groups * tiles, shared, vectors, planes * outputs)
        self._steps, self._deviation = steps.view(split), deviation.view(split)
        # Tiles are added up where deviations were; they are not needed any more then.
        self._by_tile = steps.view(groups, tiles, shared, vectors, planes, outputs)
        self._sum = self._by_tile[:, 0] if tiles == 1 else work[1, : size // tiles].view(self._by_tile[:, 0].shape)
        self._planes, self._base = self._sum.unbind(3)[::-1], layout.base

    def __call__(self, codes: Tensor, noise: Tensor | None, result: Tensor) -> int:
        """Read into ``result``; returns how many conversions were clipped."""
        steps, deviation = self._steps, self._deviation
        values = at(self._tables, codes.flatten(1, 2), self._rest)
        if noise is None:
            self._mean(values)
        else:
            means, slopes, offsets = values
            self._mean(means)
            self._variance(slopes, offsets)
            # A cell in a million conducts against a voltage of some mV; its share of the variance is below 0.
            steps.addcmul_(deviation.clamp_(min=0).sqrt_(), noise)
        clipped = self._adc.convert_(steps)
        if self._by_tile.shape[1] > 1:
            torch.sum(self._by_tile, 1, out=self._sum)
        total, *lower = self._planes
        for plane in lower:
            total = torch.add(plane, total, alpha=self._base, out=result)
        if not lower:
            result.copy_(total)
        return clipped


class _Noise:
    """Normal numbers for readings to come, drawn for many of them at once where these are small.

    Args:
        stream: to draw from.
        size: arrays, and columns of each.
        device: of the readings.
        times: readings to come.
    """

    def __init__(self, stream: RandomStream, size: tuple[int, int], device: torch.device, times: int) -> None:
        self._stream, self._size, self._times = stream, size, times
        self._buffer = torch.empty(0, dtype=torch.float32, device=device)
        self._ahead: list[Tensor] = []

    def take(self, vectors: int) -> Tensor:
        """``[arrays, 1, vectors, columns]``, valid until the next call."""
        if not self._ahead:
            self._draw(vectors)
        self._times -= 1
        return self._ahead.pop()

    def _draw(self, vectors: int) -> None:
        arrays, columns = self._size
        size = arrays * vectors * columns
        readings = max(1, min(self._times, _BUFFER // size))
        if self._buffer.numel() < readings * size:
            self._buffer = self._buffer.new_empty(readings * size)
        drawn = self._buffer[: readings * size].view(readings, arrays, 1, vectors, columns)
        fill_noise_(drawn, self._stream.on(drawn.device))
        self._ahead = list(drawn.unbind(0))[::-1]
