"""The same trials in one process, in several and on a cluster; processes that are lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memrix import Metric, SettingsError, monte_carlo, sweep
from tests.studies.small_study import HARDWARE, EndsItsProcess, cross_entropy, network, pairs

SETTINGS = {"weight_bits": [2, 3, 4], "dac.bits": [4, 8]}


def swept(metric=cross_entropy, **options):
    return sweep(network(), HARDWARE, pairs(), metric, SETTINGS, chips=2, **options)


def figures(result):
    return [row.figure for row in result.rows]


@pytest.fixture(scope="module")
def expected():
    return figures(swept())


@pytest.mark.slow
def test_two_processes_give_the_same_trials(expected, tmp_path):
    assert figures(swept(jobs=2, folder=tmp_path)) == expected
    assert figures(swept(folder=tmp_path)) == expected
    chips = {"chips": 8, "half_width": 1.0}
    alone, together = (monte_carlo(network(), HARDWARE, pairs(), "loss", jobs=jobs, **chips) for jobs in (1, 2))
    assert [row.figure for row in alone.rows] == [row.figure for row in together.rows]
    assert len(together.rows) == 5


@pytest.mark.slow
def test_a_process_that_is_lost_loses_no_trial(expected, tmp_path):
    ends = EndsItsProcess(str(tmp_path / "marker"), os.getpid(), first_batch(5))
    assert figures(swept(Metric(ends, identity="1"), jobs=2)) == expected
    assert (tmp_path / "marker").exists()


@pytest.mark.slow
def test_a_trial_that_always_ends_its_process_fails_alone(expected):
    result = swept(Metric(EndsItsProcess(None, os.getpid(), first_batch(5)), identity="1"), jobs=2)
    (row,) = result.failed
    assert "the process that ran this trial has ended" in row.failure
    assert figures(result) == [None if number == 5 else figure for number, figure in enumerate(expected)]


def first_batch(number):
    """Mean loss of the first batch in a trial."""
    return float(swept().rows[number].measured.values[:8].mean())


@pytest.mark.slow
def test_a_study_that_is_killed_loses_no_finished_trial(expected, tmp_path):
    code = (
        "import os, signal; from tests.studies.test_running import swept\n"
        f"swept(folder={str(tmp_path)!r}, progress=lambda done, total, text: "
        "os.kill(os.getpid(), signal.SIGKILL) if done == 7 else None)"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    told = []
    result = swept(folder=tmp_path, progress=lambda done, total, text: told.append("from the folder" in text))
    assert told == [True] * 7 + [False] * 5
    assert figures(result) == expected


@pytest.mark.slow
def test_a_cluster_of_two_workers_one_of_which_is_killed_gives_the_same_trials(expected, tmp_path):
    distributed = pytest.importorskip("distributed")
    killed = []

    def kill(done, total, text):
        if done == 4:
            worker = next(iter(cluster.workers.values()))
            os.kill(worker.process.pid, signal.SIGKILL)
            killed.append(done)

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        result = swept(dask=cluster.scheduler_address, folder=tmp_path, progress=kill)
    assert killed
    assert figures(result) == expected


@pytest.mark.slow
def test_a_cluster_without_workers_is_told():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        start = time.perf_counter()
        with pytest.raises(SettingsError, match="has no worker after 5 s"):
            swept(dask=cluster.scheduler_address)
        assert time.perf_counter() - start < 15


def test_what_cannot_be_pickled_is_told_where_it_would_be_sent():
    words = (word for word in "abc")

    def metric(model, batch):
        assert words
        return cross_entropy(model, batch)

    with pytest.raises(SettingsError, match="cannot be sent to other processes"):
        swept(metric, jobs=2)
