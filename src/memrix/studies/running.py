"""Trials one after the other, in several processes, or on a cluster: the same outcomes.

A subject is pickled once and sent to each process once. Every process computes one trial at a time, with one thread
unless asked for more. Where a process or a machine is lost, trials that were not finished are run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch

from memrix._support.lazy import installed_version
from memrix._support.validation import require_integer, shown
from memrix.errors import SettingsError
from memrix.studies.trials import Outcome, Subject, Trial

_SECONDS_TO_CONNECT = 5
_LOST = "the process that ran this trial has ended: it may have run out of memory, or have crashed"


@dataclass(frozen=True)
class Execution:
    """Where trials run.

    Attributes:
        jobs: processes on this machine; 1: this one.
        dask: address of a scheduler of ``dask.distributed``, or a client of one.
        threads: of torch for each trial. Figures of layers that stay digital may depend on it in the last digits.
    """

    jobs: int = 1
    dask: Any = None
    threads: int = 1

    def __post_init__(self) -> None:
        require_integer("jobs", self.jobs, 1, 4096)
        require_integer("threads", self.threads, 1, 4096)
        if self.dask is not None and self.jobs != 1:
            raise SettingsError("jobs are processes on this machine, and a cluster has its own; give jobs or dask")
        if isinstance(self.dask, str) and not self.dask:
            raise SettingsError("dask must be the address of a scheduler, such as 'tcp://10.0.0.1:8786', got ''")


@contextmanager
def connected(execution: Execution) -> Iterator[_Runner]:
    """What runs trials; a cluster is connected to, and found to have workers with this version of memrix.

    Raises:
        SettingsError: a library is not installed, or the cluster is not there or has another memrix.
    """
    with contextlib.ExitStack() as stack:
        options: dict[str, Any] = {}
        if execution.dask is not None:
            options = {"backend": "dask", "client": stack.enter_context(_client(execution.dask))}
        elif execution.jobs > 1:
            options = {"backend": "loky", "n_jobs": execution.jobs, "inner_max_num_threads": execution.threads}
        if options:
            _require_joblib()
        yield _Runner(execution.threads, options)


@dataclass(frozen=True)
class _Runner:
    threads: int
    options: dict[str, Any]

    def outcomes(
        self, subject: Subject, trials: Sequence[Trial], enough: Callable[[], bool] | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """The number of each trial, and what became of it, in the order in which they finish.

        Args:
            subject: of all trials.
            trials: to be run.
            enough: asked before each trial that is begun; None: all are run.

        Raises:
            SettingsError: the model, the batches or the metric cannot be sent to other processes.
        """
        if self.options:
            yield from self._elsewhere(subject, trials, enough)
            return
        for number, trial in enumerate(trials):
            if enough is not None and enough():
                return
            with computing_with(self.threads):
                outcome = subject.run(trial)
            yield number, outcome

    def _elsewhere(
        self, subject: Subject, trials: Sequence[Trial], enough: Callable[[], bool] | None
    ) -> Iterator[tuple[int, Outcome]]:
        parcel = np.frombuffer(_pickled(subject), np.uint8)
        name = hashlib.sha256(parcel.data).hexdigest()
        left = dict(enumerate(trials))
        while left and not (enough is not None and enough()):
            before = len(left)
            try:
                for number, outcome in self._parallel(parcel, name, left, enough):
                    del left[number]
                    yield number, outcome
            except Exception as error:
                if not _is_loss(error):
                    raise
                if len(left) == before:  # a trial may be what ends the processes: which one shows if each runs alone
                    yield from self._one_by_one(parcel, name, left)
                    return

    def _one_by_one(
        self, parcel: np.ndarray[Any, Any], name: str, left: dict[int, Trial]
    ) -> Iterator[tuple[int, Outcome]]:
        for number, trial in left.items():
            try:
                yield from self._parallel(parcel, name, {number: trial}, None)
            except Exception as error:
                if not _is_loss(error):
                    raise
                yield number, Outcome(None, f"{type(error).__name__}: {_LOST}")

    def _parallel(
        self,
        parcel: np.ndarray[Any, Any],
        name: str,
        trials: dict[int, Trial],
        enough: Callable[[], bool] | None,
    ) -> Iterator[tuple[int, Outcome]]:
        import joblib

        options = dict(self.options)
        if "client" in options:  # every worker has a copy, so that none is lost with another one
            options["scatter"] = [parcel]
        # Where it may be enough at any time, few trials are sent ahead; else all, for workers that come later.
        ahead = "all" if enough is None else "2 * n_jobs"
        begun = itertools.takewhile(lambda _: enough is None or not enough(), list(trials.items()))
        tasks = (joblib.delayed(_run)(parcel, name, self.threads, number, trial) for number, trial in begun)
        with joblib.parallel_config(**options):
            parallel = joblib.Parallel(
                batch_size=1, pre_dispatch=ahead, return_as="generator_unordered", mmap_mode="r"
            )
            outcomes = parallel(tasks)
            try:
                for outcome in outcomes:  # noqa: UP028 - what is still running must be ended without a warning
                    yield outcome
            finally:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    outcomes.close()


_lock = threading.Lock()
_known: dict[str, Subject] = {}


def _run(parcel: np.ndarray[Any, Any], name: str, threads: int, number: int, trial: Trial) -> tuple[int, Outcome]:
    """Run a trial in a process of a pool or a cluster, which keeps the subject for the next one."""
    import cloudpickle

    with _lock:  # workers of a cluster may have threads, and torch's settings are those of the process
        if name not in _known:
            _known.clear()
            _known[name] = cloudpickle.loads(parcel.data)
        torch.set_num_threads(threads)
        return number, _known[name].run(trial)


def _pickled(subject: Subject) -> bytes:
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(subject)
    except Exception as error:
        raise SettingsError(
            f"the model, the batches or the metric cannot be sent to other processes ({type(error).__name__}: "
            f"{error}); run the study in this process, with jobs=1, or remove what cannot be pickled"
        ) from error
    return pickled


def _is_loss(error: Exception) -> bool:
    """Whether a process was lost, rather than anything being wrong with what it was to do."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & {"BrokenProcessPool", "TerminatedWorkerError", "KilledWorker", "CancelledError"})


def _require_joblib() -> None:
    try:
        import joblib  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            f"several processes take joblib, which is not installed here ({error}): pip install 'memrix[cluster]', "
            f"or run the study in this process, with jobs=1"
        ) from error


@contextmanager
def _client(dask: Any) -> Iterator[Any]:  # noqa: ANN401 - of dask.distributed
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError(
            f"a cluster takes dask.distributed, which is not installed here ({error}): pip install 'memrix[cluster]'"
        ) from error
    if not isinstance(dask, str):
        if not isinstance(dask, Client):
            raise SettingsError(
                f"dask must be the address of a scheduler, such as 'tcp://10.0.0.1:8786', or a "
                f"distributed.Client, got {shown(dask)}"
            )
        _require_workers(dask)
        yield dask
        return
    try:
        _require_listener(dask)
        client: Any = Client(dask, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise SettingsError(
            f"there is no Dask cluster at {dask!r} ({type(error).__name__}: {' '.join(str(error).split())}); start "
            f"a scheduler with `dask scheduler` and workers with `dask worker ADDRESS --nthreads 1`, and give its "
            f"address"
        ) from error
    with client:
        _require_workers(client)
        yield client


def _require_listener(address: str) -> None:
    """Raise OSError or ValueError where nothing listens: a client would go on trying in the background."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme not in ("tcp", "tls"):
        return
    if not parts.hostname or parts.port is None:
        raise ValueError("an address has a host and a port")
    socket.create_connection((parts.hostname, parts.port), _SECONDS_TO_CONNECT).close()


def _require_workers(client: Any) -> None:  # noqa: ANN401
    """Make sure that there are workers, and that they have this version of memrix."""
    try:
        client.wait_for_workers(1, timeout=_SECONDS_TO_CONNECT)
    except Exception as error:
        raise SettingsError(
            f"the Dask cluster has no worker after {_SECONDS_TO_CONNECT} s; start some with `dask worker ADDRESS "
            f"--nthreads 1`"
        ) from error
    own = installed_version("memrix")
    try:
        versions = set(client.run(installed_version, "memrix").values())
    except Exception as error:
        raise SettingsError(
            f"memrix cannot be imported on the workers of the Dask cluster ({type(error).__name__}: {error}); "
            f"install memrix {own} there"
        ) from error
    if versions != {own}:
        raise SettingsError(
            f"the workers of the Dask cluster have memrix {', '.join(sorted(versions))}, and this is {own}; install "
            f"the same version everywhere, so that all trials are computed alike"
        )


@contextmanager
def computing_with(number: int) -> Iterator[None]:
    """Run a block with so many threads of torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
