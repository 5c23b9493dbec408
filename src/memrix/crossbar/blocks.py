"""Readings of a few vectors at a time: by tensor operations anywhere, by compiled loops on a CPU."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from memrix._support.random import RandomStream, Words, fill_noise_, fill_words, noise_quantiles
from memrix._support.threads import survive_forks
from memrix.crossbar import kernels
from memrix.crossbar.mapping import Layout
from memrix.crossbar.products import TiledProduct, at
from memrix.crossbar.readout import ReadCircuit
from memrix.crossbar.word_lines import WordLines
from memrix.errors import InputError

_CODES = (torch.int16, torch.float32)  # what the compiled loops read
_KEPT = 1 << 21  # elements of a buffer that stays with a thread, at most


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
        kept: the block that read it last, of every thread.
        word_lines: where readings switch cells.
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
    kept: Kept
    word_lines: WordLines | None

    def settle_(self) -> None:
        """Let the readings so far switch the cells that they do."""


class Kept(threading.local):
    """What a thread keeps of its last small reading; a copy keeps nothing, and a thread that ends leaves nothing.

    Attributes:
        block: with buffers of its own.
        made_for: size, memory and parts of the crossbar that it was made for.
    """

    block: Block
    made_for: tuple[object, ...] = ()

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        return Kept, ()


class Block(Protocol):
    """Reads vectors of the size that it was made for; only one thread at a time may use it."""

    def noise(self, stream: torch.Generator, readings: int) -> list[Any]:
        """Noise of readings to come; that of a single one is valid until the next call."""

    def __call__(self, codes: Tensor, noise: Any, result: Tensor, first: int, start: int) -> int:  # noqa: ANN401
        """Read into a part of a result.

        Args:
            codes: ``[groups, shared, vectors, inputs]``.
            noise: of this reading, where there is any.
            result: contiguous ``[groups, any, any, outputs]``.
            first: where on its second axis this reading belongs.
            start: where on its third.

        Returns:
            How many conversions were clipped.
        """


class TensorBlock(Block):
    """Tensor operations alone: on any device, and in graphs.

    Args:
        crossbar: that is read.
        shared: items that share their noise.
        vectors: of each.
    """

    def __init__(self, crossbar: Readable, shared: int, vectors: int) -> None:
        layout = crossbar.layout
        arrays, columns = layout.groups * layout.row_tiles, layout.planes * layout.outputs
        # Noise is the same for all that is shared.
        self._split = (arrays, shared, vectors, columns)
        self._by_plane = (layout.groups, layout.row_tiles, shared, vectors, layout.planes, layout.outputs)
        self._products = _Products(crossbar, shared * vectors, _own)
        self._tables = crossbar.tables if self._products.noisy else crossbar.tables[0]
        self._adc, self._rest, self._base = crossbar.circuit.adc, crossbar.rest, layout.base

    def noise(self, stream: torch.Generator, readings: int) -> list[Tensor]:
        """Standard normal numbers, the same for all that is shared."""
        arrays, _, vectors, columns = self._split
        normal = torch.empty((readings, arrays, 1, vectors, columns), dtype=torch.float32, device=stream.device)
        fill_noise_(normal, stream)
        return list(normal)

    def __call__(self, codes: Tensor, noise: Tensor | None, result: Tensor, first: int, start: int) -> int:
        """See ``Block``."""
        products, split = self._products, self._split
        steps = products.steps.view(split)
        values = at(self._tables, codes.flatten(1, 2), self._rest)
        if noise is None:
            products.mean(products.mean.tiled(values))
        else:
            means, slopes, offsets = (products.mean.tiled(looked_up) for looked_up in values)
            products.mean(means)
            products.variance(slopes, offsets)
            # A cell in a million conducts against a voltage of some mV; its share of the variance is below 0.
            self._disturb(codes, steps, products.variances.view(split).clamp_(min=0).sqrt_(), noise)
        clipped = self._adc.convert_(steps)
        total, *lower = steps.view(self._by_plane).sum(1).unbind(3)[::-1]
        for plane in lower:
            total = torch.add(plane, total, alpha=self._base)
        result[:, first : first + split[1], start : start + split[2]] = total
        return clipped

    def _disturb(self, codes: Tensor, steps: Tensor, deviations: Tensor, noise: Tensor) -> None:
        """Add noise to readings ``steps`` of given deviations, ``[arrays, shared, vectors, columns]``, in place."""
        steps.addcmul_(deviations, noise)


class CompiledBlock(Block):
    """Tensor products, and compiled loops before and after them, on a CPU.

    Args:
        crossbar: that is read.
        shared: items that share their noise.
        vectors: of each.
        own_memory: whether its buffers are its own; else blocks that a thread makes may share them.
    """

    def __init__(self, crossbar: Readable, shared: int, vectors: int, own_memory: bool) -> None:
        survive_forks()
        layout, adc = crossbar.layout, crossbar.circuit.adc
        groups, tiles, count = layout.groups, layout.row_tiles, shared * vectors
        self._noise_shape = groups, tiles, vectors, layout.planes * layout.outputs
        memory = _own if own_memory else _of_thread
        self._products = _Products(crossbar, count, memory)
        self._steps, self._variances = self._products.steps.numpy(), self._products.variances.numpy()
        device = crossbar.difference.device
        values = memory("values", 2 * groups * count * layout.inputs, device)
        # The order of the inputs and vectors is that of the codes.
        by_vector = values.view(2, groups, shared, vectors, layout.inputs)
        by_input = values.view(2, groups, layout.inputs, shared, vectors)
        self._looked_up = {
            True: _LookedUp(by_vector, by_vector.flatten(2, 3), self._products.mean),
            False: _LookedUp(by_input, by_input.flatten(3).transpose(2, 3), self._products.mean),
        }
        self._offsets = memory("offsets", groups * tiles * count, device).view(groups, tiles, count).numpy()
        # Two words in the place of a float.
        words = memory("words", -(-math.prod(self._noise_shape) // 2), device).numpy().view(np.uint16)
        self._words = words[: math.prod(self._noise_shape)].reshape(1, *self._noise_shape)
        self._tables, self._rest, self._rows = crossbar.tables.numpy(), crossbar.circuit.dac.largest_code, layout.rows
        self._limit, self._planes = np.float32(adc.largest_code), layout.planes
        self._base, self._vectors, self._name = np.float32(layout.base), vectors, crossbar.name

    def noise(self, stream: torch.Generator, readings: int) -> list[Words]:
        """Random words, each of which stands for a normal number."""
        words = self._words if readings == 1 else np.empty((readings, *self._noise_shape), np.uint16)
        fill_words(words.reshape(-1), stream)
        return list(words)

    def __call__(self, codes: Tensor, noise: Words | None, result: Tensor, first: int, start: int) -> int:
        """See ``Block``."""
        if codes.requires_grad:
            codes = codes.detach()
        if codes.dtype not in _CODES:
            codes = codes.float()
        strides = codes.stride()
        if 1 not in strides[2:]:
            codes = codes.contiguous()
            strides = codes.stride()
        inputs_last = strides[3] == 1
        if not inputs_last:
            codes = codes.permute(0, 3, 1, 2)
            strides = codes.stride()
        looked_up, rest = self._looked_up[inputs_last], self._rest
        sizes, means, slopes = looked_up.sizes, looked_up.means, looked_up.slopes
        # All that lies between the first and the last code in memory.
        extent = 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        flat, results = codes.as_strided((extent,), (1,)).numpy(), result.numpy()
        self._require(
            kernels.look_up(
                flat, strides, sizes, rest, self._tables, self._rows, inputs_last, means, slopes, self._offsets
            )
        )
        self._products.mean(looked_up.tiled_means)
        if noise is not None:
            self._products.variance(looked_up.tiled_slopes)
            kernels.disturb(self._steps, self._variances, self._offsets, noise, noise_quantiles())
        return kernels.convert(
            self._steps, self._limit, self._planes, self._base, results, first, start, self._vectors
        )

    def _require(self, all_were_codes: bool) -> None:
        if not all_were_codes:
            raise InputError(
                f"the crossbar of layer {self._name!r} was given what is no code of its DAC; "
                f"give whole numbers from {-self._rest} to {self._rest}"
            )


class _LookedUp:
    """Means and slopes ``[2, ...]`` as loops write them, and as products read them."""

    def __init__(self, written: Tensor, read: Tensor, product: TiledProduct) -> None:
        self.sizes = tuple(written.shape[1:])
        self.means, self.slopes = written.numpy()
        self.tiled_means, self.tiled_slopes = (product.tiled(values) for values in read)


Memory = Callable[[str, int, torch.device], Tensor]  # gives flat float32 buffers by name
_thread = threading.local()


def _own(name: str, size: int, device: torch.device) -> Tensor:
    # What inference mode makes cannot be written to outside of it.
    with torch.inference_mode(False):
        return torch.empty(size, dtype=torch.float32, device=device)


def _of_thread(name: str, size: int, device: torch.device) -> Tensor:
    # It stays with the thread: large memory from the system has to be fetched page by page every time.
    if size > _KEPT:
        return _own(name, size, device)
    kept: Tensor | None = getattr(_thread, name, None)
    if kept is None or kept.numel() < size:
        kept = _own(name, size, device)
        setattr(_thread, name, kept)
    return kept[:size]


class _Products:
    """Products of vectors and cells: ``[groups, row tiles, vectors, columns]``."""

    def __init__(self, crossbar: Readable, vectors: int, memory: Memory) -> None:
        layout = crossbar.layout
        shape = (layout.groups, layout.row_tiles, vectors, layout.planes * layout.outputs)
        self.noisy = bool(crossbar.total.numel())
        self.steps, self.variances = (
            memory(name, math.prod(shape), crossbar.difference.device).view(shape) for name in ("steps", "variances")
        )
        self.mean = TiledProduct(layout, crossbar.difference, self.steps)
        if self.noisy:
            self.variance = TiledProduct(layout, crossbar.total, self.variances)
