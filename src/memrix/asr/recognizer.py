"""A CTC recognizer: features, acoustic model and labels, in one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from memrix.asr.corpora.recordings import samples_of
from memrix.asr.corpora.transcripts import normalized
from memrix.asr.features import MEL_BINS, LogMel, finite, frames_of, valid_frames
from memrix.asr.labels import Labels
from memrix.asr.models.settings import AcousticModel, CtcSettings, build_network
from memrix.asr.scoring import ErrorCount, count_label_errors
from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.greedy import greedy_labels
from memrix.asr.seeds import derive
from memrix.asr.speech_model import SpeechBatch, SpeechModel, SpeechOutputs
from memrix.errors import DataError

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from memrix.asr.training.settings import TrainingSettings

_STATISTICS_UTTERANCES = 500


class Recognizer(SpeechModel):
    """Audio to log-probabilities of CTC labels.

    Args:
        network: an acoustic model, such as ``memrix.asr.models.Conformer``; a copy of it on a chip takes its place.
        labels: what its outputs mean.

    Attributes:
        description: what builds the same recognizer anew, for JSON.
        search: finds words in log-probabilities, such as ``memrix.asr.search.decoding`` makes; None finds none.
    """

    kind = "ctc-recogniser"  # as the files of all versions spell it
    unit = "label"
    network: AcousticModel
    mean: Tensor
    deviation: Tensor

    def __init__(self, network: AcousticModel, labels: Labels) -> None:
        super().__init__()
        self.features = LogMel()
        self.network = network
        self.labels = labels
        self.search: BeamSearch | None = None
        self.description: dict[str, Any] = {}
        self.register_buffer("mean", torch.zeros(MEL_BINS))
        self.register_buffer("deviation", torch.ones(MEL_BINS))

    @property
    def digital_layers(self) -> tuple[str, ...]:
        """Those that the paper leaves digital."""
        return self.network.digital_layers

    def targets(self, text: str) -> list[int]:
        """Labels of a text, each word by its most common spelling."""
        return self.labels.encode(text)

    def words(self, text: str) -> str:
        """Its words in lower case, without punctuation."""
        return normalized(text)

    def require_texts(self, texts: Iterable[str]) -> None:
        """Raise DataError where words cannot be spelled; all are listed."""
        missing = self.labels.unspellable(texts)
        if missing:
            raise DataError(
                f"{len(missing)} words cannot be spelled in the labels of this recognizer: {', '.join(missing)}; "
                "derive their pronunciations with `memrix corpus pronounce`, give them in your own dictionary "
                "(setting `dictionaries`), lines such as `hello HH AH L OW`, or train on subwords: "
                'labels = {kind = "subwords"}'
            )

    def can_learn(self, samples: int, targets: Sequence[int], speeds: Sequence[float]) -> bool:
        """Whether there is a frame for every label at the fastest speed."""
        frames = int(self.frames(torch.tensor(int(samples / max(speeds)))))
        return frames >= self.labels.shortest_frames(targets)

    def see(self, cuts: Iterable[Cut]) -> None:
        """Mean and deviation of every feature over a sample of the training data."""
        sample = sorted(cuts, key=lambda cut: derive(0, "statistics", cut.id))[:_STATISTICS_UTTERANCES]
        total, squares, frames = 0.0, 0.0, 0
        for cut in sample:
            audio = torch.from_numpy(samples_of(cut))
            features, _ = self.features(audio.unsqueeze(0), torch.tensor([len(audio)]))
            total = total + features.double().sum(dim=(0, 1))
            squares = squares + features.double().square().sum(dim=(0, 1))
            frames += features.shape[1]
        mean = torch.as_tensor(total) / frames
        variance = torch.as_tensor(squares) / frames - mean.square()
        self.mean.copy_(mean)
        # A band above the bandwidth of the recordings is constant.
        self.deviation.copy_(variance.clamp(min=1e-4).sqrt())

    def calibration_inputs(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """Features and their lengths."""
        return self.inputs(batch.audio, batch.samples)

    def outputs(self, batch: SpeechBatch) -> SpeechOutputs:
        """Log-probabilities of labels, ``[batch, frames, labels]``."""
        log_probabilities, lengths = self(batch.audio, batch.samples, batch.masked)
        return SpeechOutputs(log_probabilities, lengths, None)

    def loss(self, outputs: SpeechOutputs, batch: SpeechBatch) -> Tensor:
        """CTC loss of a batch, summed over its utterances, in nats (Graves et al., ICML 2006).

        An utterance with too few frames for its labels counts as 0.
        """
        return ctc_loss(
            outputs.logits.transpose(0, 1),
            batch.targets,
            outputs.lengths,
            batch.target_counts,
            reduction="sum",
            zero_infinity=True,
        )

    def errors(self, outputs: SpeechOutputs, batch: SpeechBatch) -> tuple[int, int]:
        """Label errors and labels."""
        counts = self._label_errors(outputs.logits, outputs.lengths, batch)
        return sum(count.errors for count in counts), sum(count.words for count in counts)

    @staticmethod
    def _label_errors(log_probabilities: Tensor, lengths: Tensor, batch: SpeechBatch) -> list[ErrorCount]:
        found = greedy_labels(log_probabilities, lengths)
        said = zip(batch.targets.tolist(), batch.target_counts.tolist(), strict=True)
        return [count_label_errors(row[:count], heard) for heard, (row, count) in zip(found, said, strict=True)]

    @torch.no_grad()
    def encode(self, batch: SpeechBatch) -> Tensor:
        """Log-probabilities of labels, ``[batch, frames, labels]``, 0 beyond the end of an utterance."""
        log_probabilities, lengths = self(batch.audio, batch.samples)
        valid = valid_frames(lengths, log_probabilities.shape[1])
        return finite(log_probabilities.masked_fill(~valid.unsqueeze(2), 0.0), "output")

    def transcribe(self, batch: SpeechBatch, encoded: Tensor) -> list[str]:
        """Words by ``search``; DataError if there is none."""
        if self.search is None:
            raise DataError(
                "a CTC recognizer finds words by a lexicon and a language model, and has none here; give it a search "
                "(memrix.asr.search.decoding)"
            )
        return self.search.transcribe(encoded.cpu(), self._lengths(batch, encoded))

    def word_errors(self, reference: str, hypothesis: str) -> ErrorCount:
        """Errors and words of a transcript, whose words are plain ones: numbers are not joined."""
        return count_label_errors(self.words(reference).split(), hypothesis.split())

    def reference_loss(self, batch: SpeechBatch, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """CTC loss of each reference in nats (float64), and its labels; both ``[batch]``.

        An utterance with too few frames for its labels counts as 0.
        """
        losses = ctc_loss(
            encoded.transpose(0, 1).double(),
            batch.targets.to(encoded.device),
            self._lengths(batch, encoded),
            batch.target_counts,
            reduction="none",
            zero_infinity=True,
        )
        return losses, batch.target_counts

    def label_errors(self, batch: SpeechBatch, encoded: Tensor) -> list[ErrorCount]:
        """Errors of the best path, and labels."""
        return self._label_errors(encoded.cpu(), self._lengths(batch, encoded), batch)

    def _lengths(self, batch: SpeechBatch, encoded: Tensor) -> Tensor:
        return self.frames(batch.samples).clamp(max=encoded.shape[1]).cpu()

    def differences(self, settings: TrainingSettings) -> list[str]:
        """Another model, or other labels."""
        known, problems = self.description, []
        if settings.model is not None and known["model"] != settings.model.model_dump(mode="json"):
            problems.append(f"its model is {known['model']}, asked for {settings.model.model_dump(mode='json')}")
        if settings.labels is not None and known["labels"]["kind"] != settings.labels.kind:
            problems.append(f"its labels are {known['labels']['kind']}, asked for {settings.labels.kind}")
        return problems

    def inputs(self, audio: Tensor, samples: Tensor, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the network takes, and the valid lengths.

        Features are of zero mean and unit deviation over the training data, ``[batch, frames, 80]``; a network that
        takes audio gets it at zero mean and unit deviation over each utterance.

        Args:
            audio: at 16 kHz, ``[batch, samples]``.
            samples: valid samples, ``[batch]``.
            masked: where features are hidden, which is at their mean; ``[batch, frames, 80]``.
        """
        if self.network.takes_audio:
            valid = valid_frames(samples, audio.shape[1])
            counts = samples.unsqueeze(1).clamp(min=1)
            centered = (audio - (audio * valid).sum(dim=1, keepdim=True) / counts) * valid
            power = centered.square().sum(dim=1, keepdim=True) / counts
            return centered / power.clamp(min=torch.finfo(audio.dtype).tiny).sqrt(), samples
        with torch.autocast(audio.device.type, enabled=False):
            features, lengths = self.features(audio, samples)
        features = (features - self.mean) / self.deviation
        if masked is not None:
            features = features.masked_fill(masked, 0.0)
        return features, lengths

    def frames(self, samples: Tensor) -> Tensor:
        """Frames of log-probabilities for so many samples, ``[batch]``."""
        return self.network.output_lengths(samples if self.network.takes_audio else frames_of(samples))

    def forward(self, audio: Tensor, samples: Tensor, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-probabilities ``[batch, frames, labels]`` and how many frames are valid, ``[batch]``."""
        logits, lengths = self.network(*self.inputs(audio, samples, masked))
        return logits.float().log_softmax(dim=2), lengths


def new_recognizer(model: CtcSettings, labels: Labels) -> Recognizer:
    """A recognizer with random weights, drawn from torch's generator."""
    network = build_network(model, len(labels.symbols))
    recognizer = Recognizer(network, labels)
    settings = network.rebuilding_settings().model_dump(mode="json")
    recognizer.description = {"model": settings, "labels": labels.description()}
    return recognizer
