"""Pieces of work side by side on a CPU: what torch does on one thread, a few chunks at a time do on all."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import torch

_worker = threading.local()


def side_by_side(
    work: Callable[..., object], *arguments: Sequence[Any] | Iterable[Any], device: torch.device
) -> None:
    """Call ``work`` once for every item of ``arguments``, as ``map`` would, on as many threads as torch may use.

    The pieces must not depend on each other. A call from within a piece, and any on another device than a CPU, runs
    them one after the other. The calls see the gradient and inference modes of the caller. When a piece fails or the
    user interrupts, those that have not begun never do, and those that ask ``go_on`` end there: nothing goes on in
    the background.
    """
    survive_forks()
    pieces = list(zip(*arguments, strict=True))
    threads = min(torch.get_num_threads(), len(pieces))
    if threads < 2 or device.type != "cpu" or getattr(_worker, "busy", False):
        for piece in pieces:
            work(*piece)
        return
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    stopped = threading.Event()

    def call(piece: tuple[Any, ...]) -> None:
        _worker.stopped = stopped
        # A thread starts without the modes of its caller.
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            work(*piece)

    pool = _pool(torch.get_num_threads())
    futures = [pool.submit(call, piece) for piece in pieces]
    try:
        for future in futures:
            future.result()
    except BaseException:
        stopped.set()
        for future in futures:
            future.cancel()
        wait(futures)
        raise


class StoppedError(Exception):
    """A piece of work ends because its caller no longer waits for it; the caller never sees this."""


def go_on() -> None:
    """Return, unless the caller of ``side_by_side`` that this is a piece of has been interrupted: for long loops."""
    stopped: threading.Event | None = getattr(_worker, "stopped", None)
    if stopped is not None and stopped.is_set():
        raise StoppedError


@functools.cache
def survive_forks() -> None:
    """Let processes that are forked from now on compute without the threads of this one, which they do not have.

    GNU OpenMP, which torch computes with, would wait for them forever. A forked process therefore starts with one
    thread, as the workers of a ``DataLoader`` do, if memrix has computed anything before the fork.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
        os.register_at_fork(after_in_child=_start_anew)


def _start_anew() -> None:
    _pool.cache_clear()
    _worker.__dict__.clear()
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    # Starting threads costs as much as they gain.
    started = threading.Barrier(threads + 1)

    def start() -> None:
        # Workers that each used all cores would stall one another. The first question makes torch choose a number for
        # the thread, which would otherwise replace the one set here.
        torch.get_num_threads()
        torch.set_num_threads(1)
        _worker.busy = True
        started.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="memrix", initializer=start)
    waiting = threading.Event()
    for _ in range(threads):
        pool.submit(waiting.wait)
    started.wait()
    waiting.set()
    # What a thread sets for itself is also torch's default for threads to come.
    torch.set_num_threads(threads)
    return pool
