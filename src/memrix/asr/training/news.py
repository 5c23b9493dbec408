"""What a training tells of itself while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from memrix.asr.training.setup import TrainingSetup


@dataclass(frozen=True)
class Step:
    """One step of a training, for whoever shows its progress.

    Attributes:
        epoch: from 0.
        epochs: of the training.
        batch: of the epoch, from 0.
        batches: of the epoch.
        loss: in nats per label or token, of this batch.
        rate: learning rate.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    rate: float


@dataclass(frozen=True)
class Epoch:
    """What an epoch reached.

    Attributes:
        epoch: from 0.
        loss: of training, in nats per label.
        dev_loss: of the held-out utterances, in nats per label.
        dev_error_rate: of labels or words, by greedy decoding.
        seconds: that the epoch took, those before an interruption not counted.
    """

    epoch: int
    loss: float
    dev_loss: float
    dev_error_rate: float
    seconds: float


Report = Callable[[Step | Epoch | TrainingSetup], None]
