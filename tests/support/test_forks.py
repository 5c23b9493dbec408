"""Chips in other processes: forked, spawned, and in the workers of a ``DataLoader``."""

import os
import pickle
import signal  # noqa: F401 - for the lines that run in a process
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import memrix

WIDE = 4000  # vectors: enough for several threads to read them


def wide_chip() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 64)).eval()
    hardware = memrix.Hardware.preset("physical")
    memrix.calibrate(model, [inputs()], hardware)
    return memrix.program(model, hardware)


def inputs() -> torch.Tensor:
    return torch.randn(WIDE, 256, generator=torch.Generator().manual_seed(0))


def outputs(chip: nn.Module) -> torch.Tensor:
    memrix.reseed(chip, read=1)
    with torch.no_grad():
        return chip(inputs())


class Readings(Dataset):
    """Every item is read from a chip."""

    def __init__(self, chip: nn.Module) -> None:
        self.chip = chip

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        return outputs(self.chip)


def in_a_process(*lines: str) -> None:
    """Run lines of Python that may use what this module defines; threads of a process under test are its own."""
    script = "\n".join(("from tests.support.test_forks import *", "torch.set_num_threads(2)", *lines))
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run(
        [sys.executable, "-c", script], check=True, timeout=60, cwd=Path(__file__).parents[2], env=environment
    )


def forked(check: str) -> str:
    """A forked process checks; one that hangs is ended by its alarm."""
    return (
        f"pid = os.fork()\nif not pid: signal.alarm(30); os._exit(0 if {check} else 1)\n"
        f"assert os.waitpid(pid, 0)[1] == 0, {check!r}"
    )


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@needs_fork
def test_a_process_forked_after_a_reading_reads_the_same():
    in_a_process(
        forked("torch.get_num_threads() == 2"),  # nothing was computed yet: the fork is none of memrix's business
        "chip = wide_chip()",
        "expected = outputs(chip)",
        forked("torch.equal(outputs(chip), expected)"),
        "assert torch.get_num_threads() == 2",
        "assert torch.equal(outputs(chip), expected)",
        "for item in DataLoader(Readings(chip), num_workers=2, multiprocessing_context='fork', timeout=30):",
        "    assert torch.equal(item[0], expected)",
    )


@needs_fork
@pytest.mark.slow
def test_a_process_forked_while_another_thread_reads_does_not_wait_for_it():
    in_a_process(
        "import copy, threading",
        "chip, ended = wide_chip(), threading.Event()",
        "expected, other = outputs(chip), copy.deepcopy(chip)",
        "def read():",
        "    while not ended.is_set(): outputs(other)",
        "thread = threading.Thread(target=read)",
        "thread.start()",
        "for _ in range(3):",
        *("    " + line for line in forked("torch.equal(outputs(chip), expected)").splitlines()),
        "ended.set()",
        "thread.join()",
    )


def test_a_pickled_chip_reads_the_same():
    chip = wide_chip()
    expected = outputs(chip)
    assert torch.equal(outputs(pickle.loads(pickle.dumps(chip))), expected)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_chips_are_sent_to_processes_that_start_anew(method):
    chip = wide_chip()
    expected = outputs(chip)
    for item in DataLoader(Readings(chip), num_workers=2, multiprocessing_context=method, timeout=60):
        assert torch.equal(item[0], expected)
