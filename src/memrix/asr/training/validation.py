"""How good a recognizer is on held-out data: loss and error rate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from memrix.asr.speech_model import SpeechBatch, SpeechModel


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
