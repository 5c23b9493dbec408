"""Random streams in which every draw has an address, so that a seed is a contract.

A draw is a function of the stream's key, an index and a number of draw, and of nothing else: not of the device, the
threads, the size of a batch, or what was drawn before. Everything here is integer arithmetic and one look-up in a
table, in tensors: it gives the same bits on any device, in eager calls and in graphs. ``philox_kernels`` has the same
generator as machine code for a CPU.
"""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

STREAM_VERSION = 2
"""Changes whenever a seed comes to mean other numbers; files store it."""

WORDS = 8
"""Words of 16 bits at one counter."""

# Philox 4x32: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11, 10.1145/2063384.2063405.
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10

_LOW = 0xFFFFFFFF
_HALF = 0xFFFF


def philox(
    counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int] | tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four random integers of 32 bits at each counter: Philox 4x32-10 (Salmon et al., 10.1145/2063384.2063405).

    Args:
        counter: four int64 tensors of values below 2**32, lowest word first; their shapes broadcast.
        key: two such tensors or integers.

    Returns:
        Four int64 tensors of values below 2**32, of the broadcast shape.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = _product(c0, MULTIPLIERS[0])
        high1, low1 = _product(c2, MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + KEY_STEPS[0]) & _LOW, (k1 + KEY_STEPS[1]) & _LOW
    return c0, c1, c2, c3


def _product(factor: Tensor, constant: int) -> tuple[Tensor, Tensor]:
    """High and low 32 bits of a product of two numbers of 32 bits."""
    # The product itself may pass 2**63, which compilers of graphs are free to assume it does not. That of
    # constant - 2**32 stays within int64, has the same low bits, and lies factor * 2**32 below.
    product = factor * (constant - (1 << 32))
    return (product >> 32) + factor, product & _LOW


@dataclass(frozen=True)
class Stream:
    """All random numbers of one use of a seed.

    Attributes:
        key: 64 bits; streams of other keys are independent. ``Stream.of`` makes it from a seed.
        keys: the key as Philox takes it, low and high 32 bits.
    """

    key: int
    keys: tuple[int, int] = field(init=False, repr=False, compare=False)  # graphs hold integers below 2**63 alone

    def __post_init__(self) -> None:
        if not 0 <= self.key < 1 << 64:
            raise ValueError(f"a stream's key has 64 bits, got {self.key}; Stream.of makes one from a seed and names")
        object.__setattr__(self, "keys", (self.key & _LOW, self.key >> 32))

    @classmethod
    def of(cls, seed: int, *path: str) -> Stream:
        """The stream of one use of ``seed``, told by names: independent of that of every other path."""
        digest = hashlib.sha256("\0".join((str(seed), *path)).encode()).digest()
        return cls(int.from_bytes(digest[:8], "big"))

    @property
    def signed(self) -> int:
        """The key as int64 holds it."""
        return self.key - (1 << 64) if self.key >> 63 else self.key

    def words(self, index: Tensor, draw: int | Tensor = 0) -> Tensor:
        """Eight uniform words of 16 bits at each index, int64 ``[8, *shape]`` of values 0 to 65535.

        Args:
            index: int64 of any shape, such as the numbers of cells.
            draw: which of the index's draws: an integer, or int64 that broadcasts with ``index`` to ``shape``.
        """
        keys: tuple[int, int] | tuple[Tensor, Tensor] = self.keys
        if torch.compiler.is_compiling():  # one graph for all keys, which inductor takes as tensors alone
            low, high = (torch.full((), key, dtype=torch.int64, device=index.device) for key in self.keys)
            keys = low, high
        return _words(keys, index, draw)

    def normals(self, index: Tensor, draw: int | Tensor = 0, count: int = WORDS) -> Tensor:
        """Standard normal numbers at each index, float32 ``[count, *shape]``: see ``normal_table``.

        Arguments are those of ``words``; whoever needs more than eight numbers takes another ``draw``.

        Raises:
            ValueError: for a ``count`` beyond 1 to 8.
        """
        if not 1 <= count <= WORDS:
            raise ValueError(
                f"a draw has 1 to {WORDS} numbers, got count={count}; take further ones from another draw"
            )
        return normal_table(index.device)[self.words(index, draw)[:count]]

    def normal_block(self, rows: Tensor, columns: int) -> Tensor:
        """A row of standard normal numbers for each number of row, float32 ``[n, columns]``.

        Element ``[i, j]`` is word ``j % 8`` at index ``j // 8`` of draw ``rows[i]``: it depends on the number of its
        row and on its column alone, so rows may be asked for in any split.

        Args:
            rows: int64 ``[n]``, such as the numbers of readings.
            columns: numbers in a row, such as a reading's conversions.
        """
        return _in_rows(self.words(_groups(columns, rows.device), rows[:, None]), columns)


def normal_block_at(key: Tensor, rows: Tensor, columns: int) -> Tensor:
    """``Stream.normal_block`` of a key that lies in a tensor, an int64 scalar: ``Stream.signed``."""
    keys = key & _LOW, (key >> 32) & _LOW
    return _in_rows(_words(keys, _groups(columns, rows.device), rows[:, None]), columns)


def _groups(columns: int, device: torch.device) -> Tensor:
    return torch.arange(-(-columns // WORDS), dtype=torch.int64, device=device)


def _in_rows(words: Tensor, columns: int) -> Tensor:
    """Normal numbers ``[n, columns]`` of words ``[8, n, groups]``."""
    return normal_table(words.device)[words.permute(1, 2, 0).flatten(1)[:, :columns]]


def _words(keys: tuple[int, int] | tuple[Tensor, Tensor], index: Tensor, draw: int | Tensor) -> Tensor:
    if not isinstance(draw, Tensor):
        draw = torch.full((), draw, dtype=torch.int64, device=index.device)
    counter = index & _LOW, (index >> 32) & _LOW, draw & _LOW, (draw >> 32) & _LOW
    return torch.stack([half for output in philox(counter, keys) for half in (output & _HALF, output >> 16)])


def _quantiles() -> Tensor:
    # The standard library's inverse, since those of torch differ by processor.
    inverse = statistics.NormalDist().inv_cdf
    upper = np.array([-inverse((0.5 - 2.0**-17) - word / 65536) for word in range(1 << 15)])
    normal = np.concatenate([upper, -upper[::-1]])
    return torch.from_numpy((normal / np.sqrt(np.mean(normal**2))).astype(np.float32))


# Made once and here: a graph would compute the numbers in its own way, to its own last bit.
_tables = {torch.device("cpu"): _quantiles()}


def normal_table(device: torch.device) -> Tensor:
    """The normal number that each word of 16 bits stands for, float32 ``[65536]``.

    They are the middles of as many equally likely intervals of the normal distribution, scaled to a variance of 1:
    the distribution function is met to 1e-5, and no number lies beyond 4.33. Words from 0 to 32767 count the
    intervals upwards from the median, words from 65535 down to 32768 downwards.
    """
    if device in _tables:
        return _tables[device]
    with torch.inference_mode(False):
        table = _tables[torch.device("cpu")].to(device)
    if type(table) is Tensor and not torch.compiler.is_compiling():  # else of a trace, or a copy that a graph makes
        _tables[device] = table
    return table
