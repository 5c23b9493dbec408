"""How good a recognizer is on held-out data: loss and label error rate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor
from torch.nn.functional import ctc_loss

from memrix.asr.recognizer import Recognizer
from memrix.asr.search.greedy import greedy_labels
from memrix.asr.training.data import SpeechBatch


@dataclass(frozen=True)
class Validation:
    """Sums over utterances.

    Attributes:
        loss: of CTC, in nats.
        errors: insertions, deletions and substitutions of labels, by greedy search.
        labels: of the references.
    """

    loss: float
    errors: int
    labels: int

    @property
    def loss_per_label(self) -> float:
        """Nats per label."""
        return self.loss / max(self.labels, 1)

    @property
    def error_rate(self) -> float:
        """Errors per label; 0.2 is 20 %."""
        return self.errors / max(self.labels, 1)


def summed_loss(log_probabilities: Tensor, lengths: Tensor, batch: SpeechBatch) -> Tensor:
    """CTC loss of a batch, summed over its utterances, in nats (Graves et al., ICML 2006).

    An utterance with too few frames for its labels counts as 0.
    """
    return ctc_loss(
        log_probabilities.transpose(0, 1),
        batch.labels,
        lengths,
        batch.label_counts,
        reduction="sum",
        zero_infinity=True,
    )


@torch.no_grad()
def validate(recognizer: Recognizer, batches: Iterable[SpeechBatch]) -> Validation:
    """Loss and errors over batches, without gradients and in evaluation mode."""
    training = recognizer.training
    recognizer.eval()
    loss, errors, labels = 0.0, 0, 0
    for batch in batches:
        log_probabilities, lengths = recognizer(batch.audio, batch.samples)
        loss += float(summed_loss(log_probabilities, lengths, batch))
        for heard, said, count in zip(
            greedy_labels(log_probabilities, lengths), batch.labels.tolist(), batch.label_counts.tolist(), strict=True
        ):
            errors += Levenshtein.distance(heard, said[:count])
            labels += count
    recognizer.train(training)
    return Validation(loss, errors, labels)
