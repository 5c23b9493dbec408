"""What a recognizer puts out for recordings: log-probabilities, utterance by utterance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from lhotse import CutSet
from torch import Tensor

from memrix.asr.recognizer import Recognizer
from memrix.asr.training.batches import evaluation_batches, padded_audio

BATCH_SECONDS = 60.0


def audio_batches(cuts: CutSet, seconds: float = BATCH_SECONDS) -> Iterator[tuple[list[str], Tensor, Tensor]]:
    """Ids, audio ``[batch, samples]`` and valid samples ``[batch]`` of batches, shortest first."""
    known = {cut.id: cut for cut in cuts}
    for ids in evaluation_batches(cuts, seconds):
        yield ids, *padded_audio([known[name] for name in ids])


@torch.no_grad()
def emissions(
    recognizer: Recognizer,
    cuts: CutSet,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] = lambda utterances: None,
) -> dict[str, Tensor]:
    """Log-probabilities of the labels, ``[frames, labels]`` on the CPU, of every utterance by its id.

    Args:
        recognizer: in float, quantized or on a chip; it is put into evaluation mode.
        cuts: the utterances.
        device: where the recognizer is.
        progress: called with the number of utterances done since the last call.
    """
    recognizer.eval()
    found: dict[str, Tensor] = {}
    for ids, audio, samples in audio_batches(cuts):
        log_probabilities, lengths = recognizer(audio.to(device), samples.to(device))
        for name, frames, length in zip(ids, log_probabilities.cpu(), lengths.tolist(), strict=True):
            found[name] = frames[:length].clone()
        progress(len(ids))
    return found
