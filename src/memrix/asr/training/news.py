"""What a training tells of itself while it runs: its steps, and how good it is on held-out data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from memrix.asr.speech_model import SpeechBatch, SpeechModel
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


@dataclass(frozen=True)
class Validation:
    """Sums over utterances.

    Attributes:
        loss: in nats.
        targets: of the references.
        errors: insertions, deletions and substitutions of greedy decoding.
        units: labels or words of the references, as the model counts errors.
    """

    loss: float
    targets: int
    errors: int
    units: int

    @property
    def loss_per_target(self) -> float:
        """Nats per label or token."""
        return self.loss / max(self.targets, 1)

    @property
    def error_rate(self) -> float:
        """Errors per label or word; 0.2 is 20 %."""
        return self.errors / max(self.units, 1)


@torch.no_grad()
def validate(model: SpeechModel, batches: Iterable[SpeechBatch]) -> Validation:
    """Loss and errors over batches, without gradients and in evaluation mode."""
    training = model.training
    model.eval()
    loss, targets, errors, units = 0.0, 0, 0, 0
    for batch in batches:
        outputs = model.outputs(batch)
        loss += float(model.loss(outputs, batch))
        targets += int(batch.target_counts.sum())
        wrong, of = model.errors(outputs, batch)
        errors, units = errors + wrong, units + of
    model.train(training)
    return Validation(loss, targets, errors, units)
