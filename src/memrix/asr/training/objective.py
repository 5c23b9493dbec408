"""What a training minimizes: the loss on the texts, and how far a model is from its teacher."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from memrix.asr.features import valid_frames
from memrix.asr.speech_model import SpeechBatch, SpeechModel, SpeechOutputs
from memrix.asr.training.settings import DistillationSettings


class Objective(nn.Module):
    """The loss of a batch, summed over its targets, in nats.

    With a teacher it is ``(1 - logits) * loss + logits * distance of the distributions (Hinton et al.,
    arXiv 1503.02531) + encoder * relative squared distance of what the encoders put out, per target``.

    Args:
        model: that learns.
        teacher: a float model of the same targets, which stays as it is; None learns from texts alone.
        weights: of the teacher.
        mixed: whether products are of bfloat16; features, weights and losses stay in single precision.
    """

    def __init__(
        self, model: SpeechModel, teacher: SpeechModel | None, weights: DistillationSettings, *, mixed: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self._weights = weights
        self._mixed = mixed
        if teacher is not None:
            teacher.eval().requires_grad_(requires_grad=False)
        # Not a part of the module: it is not trained, wrapped or kept.
        self._teacher = [] if teacher is None else [teacher]

    def forward(self, *tensors: object) -> Tensor:
        """The loss of a batch, given as its parts."""
        batch = SpeechBatch(*tensors)  # type: ignore[arg-type]
        with torch.autocast(batch.audio.device.type, torch.bfloat16, enabled=self._mixed):
            outputs = self.model.outputs(batch)
            loss = self.model.loss(outputs, batch)
            return self._distilled(loss, outputs, batch, self._teacher[0]) if self._teacher else loss

    def _distilled(self, loss: Tensor, outputs: SpeechOutputs, batch: SpeechBatch, teacher: SpeechModel) -> Tensor:
        weights = self._weights
        if next(teacher.parameters()).device != outputs.logits.device:
            teacher.to(outputs.logits.device)
        with torch.no_grad():
            taught = teacher.outputs(batch)
        if weights.logits:
            warm = weights.temperature
            valid = valid_frames(outputs.lengths, outputs.logits.shape[1])
            apart = kl_div(
                log_softmax(outputs.logits[valid].float() / warm, dim=-1),
                log_softmax(taught.logits[valid].float() / warm, dim=-1),
                reduction="sum",
                log_target=True,
            )
            loss = (1 - weights.logits) * loss + weights.logits * warm**2 * apart
        if weights.encoder and outputs.encoded is not None and taught.encoded is not None:
            energy = taught.encoded.float().square().mean(dim=(1, 2))
            error = (outputs.encoded.float() - taught.encoded.float()).square().mean(dim=(1, 2))
            loss = loss + weights.encoder * (error / energy * batch.target_counts.to(loss.device)).sum()
        return loss
