import itertools
import signal
import threading

import pytest
import torch

from memrix._support.streams import Stream
from memrix._support.threads import go_on, side_by_side
from memrix.crossbar import PreCycled
from memrix.device import Cells, load_parameters

CPU = torch.device("cpu")


def with_threads(count, pieces):
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(count)
    try:
        side_by_side(
            lambda piece: seen.append((piece, threading.get_ident(), torch.get_num_threads())), pieces, device=CPU
        )
        assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    return seen


def test_every_piece_runs_once_on_one_thread_of_torch_each():
    """Pieces that each used all threads would stall one another, and split their sums elsewhere."""
    seen = with_threads(2, range(20))
    assert sorted(piece for piece, _, _ in seen) == list(range(20))
    assert {threads for _, _, threads in seen} == {1}
    assert threading.get_ident() not in {thread for _, thread, _ in seen}


def test_with_one_thread_pieces_run_in_order_where_they_were_asked_for():
    seen = with_threads(1, range(5))
    assert [piece for piece, _, _ in seen] == list(range(5))
    assert {thread for _, thread, _ in seen} == {threading.get_ident()}


def test_pieces_see_the_modes_of_the_caller():
    modes = []
    with torch.inference_mode():
        side_by_side(lambda piece: modes.append(torch.is_inference_mode_enabled()), range(4), device=CPU)
    with torch.no_grad():
        side_by_side(lambda piece: modes.append(not torch.is_grad_enabled()), range(4), device=CPU)
    assert modes == [True] * 8


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def interruptible():
    """A process that was started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    """Ctrl-C."""
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def endless(until: threading.Event) -> None:
    """Works on until it is told not to go on; where that fails, not for ever."""
    for _ in range(20_000):
        if until.wait(0.001):
            break
        go_on()


def test_an_interrupt_ends_the_work_of_all_threads(three_threads, interruptible):
    over, begun, ended = threading.Event(), [], []

    def work(number: int) -> None:
        begun.append(number)
        try:
            if number == 0:
                interrupt()
            endless(over)
        finally:
            ended.append(number)

    try:
        with pytest.raises(KeyboardInterrupt):
            side_by_side(work, range(3), device=CPU)
        assert sorted(ended) == sorted(begun)
    finally:
        over.set()


def test_a_piece_that_fails_ends_the_others(three_threads):
    over, begun = threading.Event(), []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError("piece 0")
        endless(over)

    try:
        with pytest.raises(ValueError, match="piece 0"):
            side_by_side(work, range(50), device=CPU)
        assert len(begun) < 50
    finally:
        over.set()


@pytest.mark.slow
def test_programming_ends_when_it_is_interrupted(three_threads, interruptible, monkeypatch):
    """Wear of thousands of pulses on several blocks: the second pulse of a block interrupts the main thread."""
    pulses, count = [], itertools.count()
    apply = Cells.apply_voltage

    def interrupting(cells, volts, where=None):
        pulses.append(1)
        if next(count) == 1:
            interrupt()
        apply(cells, volts, where)

    monkeypatch.setattr(Cells, "apply_voltage", interrupting)
    protocol, parameters = PreCycled(1000), load_parameters()
    protocol.require_device(parameters)
    on = torch.zeros(1 << 16, dtype=torch.bool)
    with pytest.raises(KeyboardInterrupt):
        protocol.program(on, parameters, chip=Stream.of(0, "chip"), programming=Stream.of(0, "programming"))
    assert len(pulses) < 15_000
