"""The bar of a training: its clock, pace and time left over all epochs."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from memrix.asr.training.news import Epoch, Step
from memrix.cli.training_display import TrainingDisplay

BATCHES, EPOCHS = 8, 4  # eighths of an epoch are exact in floating point


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def setup():
    network = SimpleNamespace(parameters=list)
    return SimpleNamespace(
        recognizer=SimpleNamespace(network=network, unit="label"), train=[1] * 7, dev=[1], left_out=()
    )


def run(display, clock, first, last, seconds=2.0):
    """Report steps from one to another, counted from 0, each after so many seconds."""
    for step in range(first, last):
        clock.now += seconds
        epoch, batch = divmod(step, BATCHES)
        display.report(Step(epoch, EPOCHS, batch, BATCHES, 1.25, 1e-3))
        if batch == BATCHES - 1:
            display.report(Epoch(epoch, 1.0, 1.0, 0.5, 20.0))


def shown(display):
    """The bar as it stands, its words separated by single blanks."""
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    console.print(display._progress.get_renderable())
    return " ".join(console.file.getvalue().split())


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def display(clock):
    return TrainingDisplay(Console(file=io.StringIO(), width=200), clock)


def test_the_clock_goes_on_after_the_first_epoch(display, clock):
    display.report(setup())
    run(display, clock, 0, 20)
    # 20 steps of 2 s, the first of which starts the clock; 12 are left.
    assert "epoch 3/4" in shown(display)
    assert "batch 4/8 loss 1.250 2.00 s/batch 0:00:38 left 0:00:24" in shown(display)


def test_every_epoch_has_its_line(display, clock):
    display.report(setup())
    run(display, clock, 0, 16)
    said = display._console.file.getvalue()
    assert "epoch 1: loss 1.000, held out 1.000, label error rate 50.0 %, 20 s" in said
    assert "epoch 2: loss" in said


def test_a_training_that_goes_on_has_the_pace_of_what_it_does_now(display, clock):
    display.report(setup())
    run(display, clock, 24, 27)
    assert "batch 3/8 loss 1.250 2.00 s/batch 0:00:04 left 0:00:10" in shown(display)


def test_the_next_training_of_an_experiment_starts_its_own_clock(display, clock):
    display.report(setup())
    run(display, clock, 0, 32)
    assert "0:01:02 left 0:00:00" in shown(display)
    clock.now += 1000.0
    display.report(setup())
    run(display, clock, 0, 3, seconds=5.0)
    assert "epoch 1/4" in shown(display)
    assert "batch 3/8 loss 1.250 5.00 s/batch 0:00:10 left 0:02:25" in shown(display)


def test_steps_of_a_minute_have_a_pace_too(display, clock):
    display.report(setup())
    run(display, clock, 0, 3, seconds=60.0)
    assert "60.00 s/batch 0:02:00 left 0:29:00" in shown(display)


def test_nothing_is_shown_before_the_first_step(display):
    display.report(setup())
    assert shown(display) == ""
