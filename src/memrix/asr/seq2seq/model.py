"""A sequence-to-sequence model as a speech model: features, loss on a text, greedy transcripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import ceil
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpus import WINDOW_SECONDS, listing
from memrix.asr.features import finite, valid_frames
from memrix.asr.scoring import count_errors
from memrix.asr.seq2seq.decoding import TOKENS_PER_SECOND, TOKENS_TO_SPARE, Decoding, encoded_speech, greedy_tokens
from memrix.asr.seq2seq.parts import Pretrained
from memrix.asr.speech_model import SpeechBatch, SpeechModel, SpeechOutputs, Window
from memrix.errors import DataError

if TYPE_CHECKING:
    from memrix.asr.training.settings import TrainingSettings

_MOST_TOKENS = 448
"""Of a decoder that does not say how many positions it has."""
_POSITIONS = ("max_target_positions", "max_position_embeddings")
_SHOWN = 20


class SequenceToSequence(SpeechModel):
    """An encoder of speech and a decoder that writes tokens, one window a clip.

    Args:
        parts: whatever ``AutoModelForSpeechSeq2Seq`` builds, with its tokenizer and features.
        decoding: tokens of the decoder.
        checkpoint: name that the model was loaded by.
    """

    kind = "sequence-to-sequence"
    unit = "word"
    has_encoder = True

    network: Any  # transformers has no type for these

    def __init__(self, parts: Pretrained, decoding: Decoding, checkpoint: str) -> None:
        super().__init__()
        self.network = network = parts.model
        self.tokenizer, self.features = tokenizer, features = parts.tokenizer, parts.features
        self.decoding = decoding
        self.source = parts.source
        config = network.config
        self._positions = next((n for name in _POSITIONS if (n := getattr(config, name, None))), _MOST_TOKENS)
        self._fixed = hasattr(features, "n_samples")  # a window of that length, whatever the clip
        self.end_of_text = decoding.end
        self.bins = int(getattr(config, "num_mel_bins", self.bins))
        self.longest_seconds = WINDOW_SECONDS
        self.window = Window(WINDOW_SECONDS, self._room) if self._fixed else None
        embeddings = {name for name, part in network.named_modules() if isinstance(part, nn.Embedding)}
        self._digital = _front_and_output(network)
        self.frozen_layers = (*self._digital, *sorted(embeddings))
        self.description = {
            "model": {
                "kind": self.kind,
                "checkpoint": checkpoint,
                "source": self.source,
                "config": {**config.to_diff_dict(), "model_type": config.model_type},
                "features": features.to_dict(),
                "decoding": asdict(decoding),
            },
            "labels": {"kind": "tokenizer", "tokenizer": tokenizer.backend_tokenizer.to_str()},
        }

    @property
    def digital_layers(self) -> tuple[str, ...]:
        """Convolutions of the front end and the output layer, as in the paper."""
        return self._digital

    @property
    def _room(self) -> int:
        """Tokens of a transcript, its end counted, that a decoder has positions for."""
        return int(self._positions - len(self.decoding.prompt) + 1)

    def targets(self, text: str) -> list[int]:
        """Tokens of a text and the end; DataError if they are more than the decoder has positions for."""
        tokens = self._encode(text)
        if len(tokens) >= self._room:
            raise DataError(f"the transcript has {len(tokens)} tokens, at most {self._room - 1} fit; cut the clip")
        return [*tokens, self.decoding.end]

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer.encode(
            self.decoding.prefix + " ".join(text.split()), add_special_tokens=False
        )
        return tokens

    def require_texts(self, texts: Iterable[str]) -> None:
        """Raise DataError where words come back as others from their tokens; they are listed."""
        words = sorted({word for text in texts for word in text.split()})
        lost = [word for word in words if self._decode(self._encode(word)) != word]
        if lost:
            raise DataError(
                f"the tokenizer of {self.description['model']['checkpoint']} cannot write {len(lost)} words of the "
                f"transcripts; spell them in its characters:{listing(lost, _SHOWN)}"
            )

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        return text.strip()

    def can_learn(self, samples: int, targets: Sequence[int], speeds: Sequence[float]) -> bool:
        """Whether an utterance fits into a window at the slowest speed, and its tokens into the decoder."""
        return samples / min(speeds) <= WINDOW_SECONDS * SAMPLE_RATE and len(targets) <= self._room

    def inputs(self, batch: SpeechBatch) -> dict[str, Tensor]:
        """What the encoder takes, by its names; DataError for a clip that is longer than a window."""
        longest = int(WINDOW_SECONDS * SAMPLE_RATE)
        for name, samples in zip(batch.ids, batch.samples.tolist(), strict=True):
            if samples > longest:
                raise DataError(
                    f"{name} lasts {samples / SAMPLE_RATE:.1f} s, at most {longest / SAMPLE_RATE:g} s fit into one "
                    "window; cut it"
                )
        clips = [clip[:n].cpu().numpy() for clip, n in zip(batch.audio, batch.samples.tolist(), strict=True)]
        padding = {} if self._fixed else {"padding": True, "return_attention_mask": True}
        with torch.autocast("cpu", enabled=False):
            made = dict(self.features(clips, sampling_rate=SAMPLE_RATE, return_tensors="pt", **padding))
        hidden = batch.masked
        if self._fixed and bool(hidden.any()):
            values = made["input_features"]  # [batch, bins, frames]
            hidden = nn.functional.pad(hidden[:, : values.shape[2]], (0, 0, 0, values.shape[2] - hidden.shape[1]))
            made["input_features"] = values.masked_fill(hidden.transpose(1, 2).to(values.device), 0.0)
        device = next(self.network.parameters()).device
        return {name: value.to(device) for name, value in made.items()}

    def calibration_inputs(self, batch: SpeechBatch) -> dict[str, Tensor]:
        """Keyword arguments that run encoder and teacher-forced decoder."""
        return {**self.inputs(batch), "decoder_input_ids": self._decoder_input(batch)}

    def outputs(self, batch: SpeechBatch) -> SpeechOutputs:
        """Logits of the tokens of the texts, ``[batch, tokens, vocabulary]``, and what the encoder put out."""
        output = self.network(**self.calibration_inputs(batch), use_cache=False)
        counts = batch.target_counts.to(output.logits.device)
        return SpeechOutputs(self._of_targets(output.logits), counts, output.encoder_last_hidden_state)

    def loss(self, outputs: SpeechOutputs, batch: SpeechBatch) -> Tensor:
        """Negative log likelihood of the tokens and the end, summed, in nats."""
        valid = valid_frames(outputs.lengths, outputs.logits.shape[1])
        targets = batch.targets.to(outputs.logits.device)
        return nn.functional.cross_entropy(outputs.logits[valid].float(), targets[valid], reduction="sum")

    def errors(self, outputs: SpeechOutputs, batch: SpeechBatch) -> tuple[int, int]:
        """Word errors and words."""
        assert outputs.encoded is not None
        written = self.transcribe(batch, outputs.encoded)
        counts = [count_errors(said, found) for said, found in zip(batch.texts, written, strict=True)]
        return sum(count.errors for count in counts), sum(count.words for count in counts)

    def differences(self, settings: TrainingSettings) -> list[str]:
        """Another model."""
        known = self.description["model"]
        problems = []
        if settings.model is not None and getattr(settings.model, "checkpoint", None) != known["checkpoint"]:
            problems.append(f"its model is {known['checkpoint']}, asked for {settings.model.model_dump(mode='json')}")
        if settings.labels is not None:
            problems.append(f"its labels are its tokenizer's, asked for {settings.labels.kind}")
        return problems

    @torch.no_grad()
    def encode(self, batch: SpeechBatch) -> Tensor:
        """Encoder output, ``[batch, frames, width]``; frames that the encoder says are padding are 0."""
        output = self.network.get_encoder()(**self.inputs(batch))
        encoded = finite(output.last_hidden_state, "encoder output")
        mask = getattr(output, "attention_mask", None)
        return encoded if mask is None else encoded * mask.unsqueeze(2)

    @torch.no_grad()
    def transcribe(self, batch: SpeechBatch, encoder_output: Tensor) -> list[str]:
        """Greedy transcripts; the duration of each clip caps their length."""
        caps = [self._cap(samples / SAMPLE_RATE) for samples in batch.samples.tolist()]
        found = greedy_tokens(self.network, encoder_output, caps, self.decoding, self._mask(batch))
        return [self._decode(tokens) for tokens in found]

    @torch.no_grad()
    def reference_loss(self, batch: SpeechBatch, encoder_output: Tensor) -> tuple[Tensor, Tensor]:
        """Negative log likelihood of each reference in nats (float64), and its tokens; both ``[batch]``.

        The end of the text counts as a token; the prompt does not.
        """
        logits = self.network(
            **encoded_speech(encoder_output, self._mask(batch)),
            decoder_input_ids=self._decoder_input(batch),
            use_cache=False,
        ).logits
        targets, counts = batch.targets.to(logits.device), batch.target_counts.to(logits.device)
        likelihoods = finite(self._of_targets(logits), "decoder output").log_softmax(dim=-1)
        chosen = likelihoods.gather(2, targets.unsqueeze(2)).squeeze(2)  # [batch, tokens]
        return -(chosen * valid_frames(counts, targets.shape[1])).double().sum(dim=1), counts

    def _mask(self, batch: SpeechBatch) -> Tensor | None:
        """1 where the encoder's input is valid, where clips are padded to the longest of a batch."""
        return None if self._fixed else self.inputs(batch)["attention_mask"]

    def _decoder_input(self, batch: SpeechBatch) -> Tensor:
        """Prompt and targets but the last, padded with the end; ``[batch, tokens]``."""
        targets = batch.targets.masked_fill(
            ~valid_frames(batch.target_counts, batch.targets.shape[1]), self.decoding.end
        )
        prompt = torch.tensor(self.decoding.prompt, device=targets.device).expand(len(targets), -1)
        tokens = torch.cat([prompt, targets[:, :-1]], dim=1)
        return tokens.to(next(self.network.parameters()).device)

    def _of_targets(self, logits: Tensor) -> Tensor:
        return logits[:, len(self.decoding.prompt) - 1 :]

    def _cap(self, seconds: float) -> int:
        return min(TOKENS_TO_SPARE + ceil(TOKENS_PER_SECOND * seconds), self._room - 1)


def _front_and_output(network: Any) -> tuple[str, ...]:  # noqa: ANN401 - transformers has no type for it
    """Names of convolutions of the encoder and of the output layer."""
    encoder = set(network.get_encoder().modules())
    convolutions = (nn.Conv1d, nn.Conv2d)
    output = network.get_output_embeddings()
    return tuple(
        name
        for name, part in network.named_modules()
        if part is output or (isinstance(part, convolutions) and part in encoder)
    )
