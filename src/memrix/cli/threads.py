"""The option `--threads` of the commands that compute with torch."""

from __future__ import annotations

from memrix.errors import DataError


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that cannot be, before any work is done.

    Raises:
        DataError: it is less than 1.
    """
    if threads is not None and threads < 1:
        raise DataError(f"--threads is a whole number of at least 1, got {threads}")


def use_threads(threads: int | None) -> None:
    """Compute with so many threads from now on; None is torch's own choice.

    Raises:
        DataError: the number is less than 1.
    """
    check_threads(threads)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
