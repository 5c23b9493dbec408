"""Reading a crossbar time after time: what takes long is read in blocks, side by side."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from memrix._support.random import seeds_from
from memrix._support.threads import side_by_side
from memrix._support.transforms import is_traced, recording
from memrix.crossbar.blocks import Block, CompiledBlock, Readable, TensorBlock
from memrix.crossbar.codes import require_vectors
from memrix.crossbar.shared_noise import SharedNoiseBlock, vectors_at_a_time
from memrix.errors import ConversionError

# Elements of one buffer of a block, of inputs or of conversions: a few fit into the cache of a core, and a block
# still has enough rows for a matrix product to be efficient. Part of what a seed means.
_BUFFER = 1 << 20
_FEWEST_ROWS = 32
_SMALL = 1 << 16  # elements of either that are read at once, in memory of their own; part of what a seed means too
_WORTH_THREADS = 1 << 21  # conversions: threads of torch that still wait for work of theirs disturb shorter readings

Span = tuple[int, int]  # the first, and the one after the last


class Reader:
    """Multiplies vectors by a crossbar as often as it is called; nothing else may change the crossbar meanwhile.

    Args:
        crossbar: programmed.
        times: calls to come: small readings draw their noise for many calls at once.
    """

    def __init__(self, crossbar: Readable, times: int = 1) -> None:
        self._crossbar = crossbar
        self._times = times
        self._prepared: tuple[int, int, int] | None = None

    def __call__(self, codes: Tensor) -> Tensor:
        """Multiply DAC codes by the programmed matrices.

        Args:
            codes: ``[groups, shared, vectors, inputs]``, whole numbers of any type. Readings draw their noise apart,
                but for ``legacy`` noise: the items of the second axis share that of every cell.

        Returns:
            float32 ``[groups, shared, vectors, outputs]``: whole numbers of ADC steps of the lowest plane.

        Raises:
            InputError: vectors of another length or number of groups.
            ConversionError: a graph is to be recorded of readings that draw noise or switch cells.
        """
        crossbar = self._crossbar
        layout = crossbar.layout
        groups, shared, vectors, _ = codes.shape
        require_vectors(codes, layout, crossbar.name)
        result = torch.empty((groups, shared, vectors, layout.outputs), dtype=torch.float32, device=codes.device)
        if not result.numel():
            return result
        if crossbar.word_lines is not None:
            self._require_no_graph("readings that switch cells", "device.read_disturb = False")
            _outside_graphs(crossbar.settle_)
        # A block belongs to the thread that made it.
        thread = 0 if torch.compiler.is_compiling() else threading.get_ident()
        if self._prepared != (shared, vectors, thread):
            self._prepared = shared, vectors, thread
            self._prepare(shared, vectors, codes.device)
        if self._whole is not None:
            clipped = self._whole(codes, self._noise(self._whole), result, 0, 0)
        else:
            clipped = self._in_blocks(codes, result)
        counts = crossbar.counts
        counts.conversions += self._conversions
        counts.clipped += clipped
        if crossbar.word_lines is not None:
            _outside_graphs(crossbar.word_lines.see_, codes)
        self._times -= 1
        return result

    def _prepare(self, shared: int, vectors: int, device: torch.device) -> None:
        """Get ready for vectors ``[groups, shared, vectors, inputs]``."""
        layout = self._crossbar.layout
        columns, arrays = layout.planes * layout.outputs, layout.groups * layout.row_tiles
        rows = max(_FEWEST_ROWS, _BUFFER // (arrays * max(columns, layout.rows)))
        self._length = min(vectors, rows)
        self._together = min(shared, max(1, rows // self._length))
        self._shares = shared > 1 and self._crossbar.circuit.noise == "legacy"
        if self._shares:
            # Numbers that many items share are worth drawing once.
            self._together = min(shared, rows)
            self._length = min(max(1, rows // self._together), vectors_at_a_time(self._crossbar, _BUFFER))
        if self._crossbar.total.numel() and is_traced():
            self._require_no_graph("the read noise", "noise='off'")
        self._compiled = device.type == "cpu" and not recording()
        self._conversions = layout.conversions * shared * vectors
        self._whole: Block | None = None
        self._ahead: list[Any] = []
        if max(self._conversions, shared * vectors * layout.groups * layout.inputs) <= _SMALL:
            make = self._block if self._shares else _kept_block if self._compiled else TensorBlock
            self._whole = make(self._crossbar, shared, vectors)
            self._at_once = 1 if self._shares else max(1, _SMALL // (vectors * arrays * columns))

    def _block(self, crossbar: Readable, shared: int, vectors: int) -> Block:
        """Reads a part of what is to be read."""
        if self._shares:
            return SharedNoiseBlock(crossbar, shared, vectors)
        if self._compiled:
            return CompiledBlock(crossbar, shared, vectors, own_memory=False)
        return TensorBlock(crossbar, shared, vectors)

    def _require_no_graph(self, what: str, instead: str) -> None:
        tracer = "torch.jit.trace" if is_traced() else "torch.export"
        if is_traced() or torch.compiler.is_exporting():
            raise ConversionError(
                f"{tracer} cannot record {what} of layer {self._crossbar.name!r}; program the chip with {instead}"
            )

    def _noise(self, block: Block) -> Any:  # noqa: ANN401
        """Of a small reading: drawn for many readings to come."""
        if not self._crossbar.total.numel():
            return None
        if not self._ahead:
            stream = self._crossbar.read_stream.on(self._crossbar.total.device)
            self._ahead = block.noise(stream, max(1, min(self._times, self._at_once)))[::-1]
        return self._ahead.pop()

    def _in_blocks(self, codes: Tensor, result: Tensor) -> int:
        """Read more vectors than fit into the buffers; returns how many conversions were clipped."""
        spans = _spans(codes.shape[2], self._length), _spans(codes.shape[1], self._together)
        return (self._side_by_side if self._compiled else self._one_after_the_other)(codes, result, *spans)

    def _side_by_side(self, codes: Tensor, result: Tensor, of_vectors: list[Span], of_items: list[Span]) -> int:
        crossbar = self._crossbar
        seeds: list[int | None] = [None] * len(of_vectors)
        if crossbar.total.numel():
            seeds = [*seeds_from(crossbar.read_stream.on(codes.device), len(of_vectors))]
        blocks: dict[tuple[int, int, int], Block] = {}
        clipped = []

        def read(vectors: Span, seed: int | None, items: Span) -> None:
            (start, stop), (first, last) = vectors, items
            key = threading.get_ident(), last - first, stop - start
            if key not in blocks:
                blocks[key] = self._block(crossbar, *key[1:])
            noise = None
            if seed is not None:
                (noise,) = blocks[key].noise(torch.Generator(codes.device).manual_seed(seed), 1)
            clipped.append(blocks[key](codes[:, first:last, start:stop], noise, result, first, start))

        pieces = itertools.product(zip(of_vectors, seeds, strict=True), of_items)
        parts = [(vectors, seed, items) for (vectors, seed), items in pieces]
        if self._conversions >= _WORTH_THREADS:
            side_by_side(read, *zip(*parts, strict=True), device=codes.device)
        else:
            for part in parts:
                read(*part)
        return sum(clipped)

    def _one_after_the_other(
        self, codes: Tensor, result: Tensor, of_vectors: list[Span], of_items: list[Span]
    ) -> int:
        """Without seeds of pieces: a graph cannot look at them."""
        crossbar = self._crossbar
        blocks: dict[tuple[int, int], Block] = {}
        clipped = 0
        for start, stop in of_vectors:
            noise = None
            for first, last in of_items:
                key = last - first, stop - start
                if key not in blocks:
                    blocks[key] = self._block(crossbar, *key)
                if noise is None and crossbar.total.numel():
                    (noise,) = blocks[key].noise(crossbar.read_stream.on(codes.device), 1)
                clipped += blocks[key](codes[:, first:last, start:stop], noise, result, first, start)
        return clipped


def _outside_graphs(call: Callable[..., None], *arguments: Tensor) -> None:
    """A call that changes cells: what torch compiles is cut there."""
    if torch.compiler.is_compiling():
        call = torch.compiler.disable(call)  # type: ignore[no-untyped-call]
    call(*arguments)


def _spans(count: int, length: int) -> list[Span]:
    return [(start, min(start + length, count)) for start in range(0, count, length)]


def _kept_block(crossbar: Readable, shared: int, vectors: int) -> Block:
    """The block that the thread read the crossbar with last, if it fits: making one takes long."""
    tensors = crossbar.difference, crossbar.total, crossbar.tables
    # ``share_memory()`` and ``tensor.data = ...`` give a tensor other memory.
    sizes = shared, vectors, *(tensor.data_ptr() for tensor in tensors)
    made_for = (sizes, *tensors, crossbar.circuit)
    kept = crossbar.kept
    before = kept.made_for
    if not before or before[0] != sizes or any(a is not b for a, b in zip(before[1:], made_for[1:], strict=True)):
        kept.block, kept.made_for = CompiledBlock(crossbar, shared, vectors, own_memory=True), made_for
    return kept.block
