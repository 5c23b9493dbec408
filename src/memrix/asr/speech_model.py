"""What every recognizer is to training, experiments and evaluation: a network, and all that turns speech into text.

Two kinds exist: CTC networks with their decoding (``memrix.asr.recognizer``), and sequence-to-sequence models of
``transformers`` such as Whisper (``memrix.asr.seq2seq``).
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

import memrix
from memrix import Hardware, Quantization
from memrix.asr.features import MEL_BINS
from memrix.asr.scoring import ErrorCount, count_errors

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from memrix.asr.search.decoding import Decoding
    from memrix.asr.training.settings import TrainingSettings


_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Example:
    """One utterance, or several joined to a window.

    Attributes:
        id: of the utterance; of a window, that of its first one.
        text: what is said.
        audio: at 16 kHz, ``[samples]``.
        targets: the text as the model writes it, ``[targets]``.
        masked: True where a feature is hidden, ``[frames, bins]``.
    """

    id: str
    text: str
    audio: Tensor
    targets: Tensor
    masked: Tensor


class SpeechBatch(NamedTuple):
    """Utterances or windows, padded.

    Attributes:
        ids: of the utterances.
        texts: what is said.
        audio: at 16 kHz, ``[batch, samples]``.
        samples: valid samples, ``[batch]``.
        targets: ``[batch, targets]``, padded with 0.
        target_counts: valid targets, ``[batch]``.
        masked: True where a feature is hidden, ``[batch, frames, bins]``.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    audio: Tensor
    samples: Tensor
    targets: Tensor
    target_counts: Tensor
    masked: Tensor

    @classmethod
    def of(cls, examples: Sequence[Example]) -> SpeechBatch:
        """Examples as one padded batch."""
        return cls(
            ids=tuple(example.id for example in examples),
            texts=tuple(example.text for example in examples),
            audio=pad_sequence([example.audio for example in examples], batch_first=True),
            samples=torch.tensor([len(example.audio) for example in examples]),
            targets=pad_sequence([example.targets for example in examples], batch_first=True),
            target_counts=torch.tensor([len(example.targets) for example in examples]),
            masked=pad_sequence([example.masked for example in examples], batch_first=True),
        )

    def to(self, device: torch.device) -> SpeechBatch:
        """The same batch on another device."""
        tensors = (self.audio, self.samples, self.targets, self.target_counts, self.masked)
        return SpeechBatch(self.ids, self.texts, *(part.to(device, non_blocking=True) for part in tensors))


class SpeechOutputs(NamedTuple):
    """What a network makes of a batch.

    Attributes:
        logits: of the targets, ``[batch, positions, symbols]``.
        lengths: valid positions, ``[batch]``.
        encoded: output of the encoder, ``[batch, frames, width]``; None where the network is one.
    """

    logits: Tensor
    lengths: Tensor
    encoded: Tensor | None


def padded_batches(
    items: Iterable[tuple[_Item, float]], seconds: float, size: int | None = None
) -> list[list[_Item]]:
    """Items in this order, shortest first, in batches of at most so many seconds with their padding; one at least.

    Args:
        items: each with its seconds.
        seconds: of a batch.
        size: how many items a batch has instead.
    """
    batches: list[list[_Item]] = []
    for item, length in items:
        count = len(batches[-1]) + 1 if batches else 0
        if batches and (count * length <= seconds if size is None else count <= size):
            batches[-1].append(item)
        else:
            batches.append([item])
    return batches


@dataclass(frozen=True)
class Window:
    """How utterances are joined: a model that computes a whole window for any clip learns from full ones.

    Attributes:
        seconds: of a window, at most.
        targets: of a window, at most.
        pause_seconds: of silence between utterances.
    """

    seconds: float
    targets: int
    pause_seconds: float = 0.3

    def filled(self, utterances: Iterable[tuple[_Item, float, int]]) -> list[list[_Item]]:
        """Utterances in this order as windows, each of as many as fit; one that fits none has one of its own.

        Args:
            utterances: each with its seconds and its number of targets.
        """
        windows: list[list[_Item]] = []
        seconds, targets = self.seconds, 0
        for item, length, more in utterances:
            if not windows or seconds + self.pause_seconds + length > self.seconds or targets + more > self.targets:
                windows.append([])
                seconds, targets = -self.pause_seconds, 0
            windows[-1].append(item)
            seconds, targets = seconds + self.pause_seconds + length, targets + more
        return windows


class SpeechModel(nn.Module, ABC):
    """A recognizer: a network, and all that turns speech into its input and its output into text.

    Attributes:
        kind: what its files call it.
        unit: what error rates of validation count, such as ``label``.
        network: which can be quantized and put on a chip.
        description: what builds the same model anew, for JSON.
        source: where its weights came from, with hash or revision.
        window: how training joins utterances; None learns from each by itself.
        longest_seconds: of a clip; None takes any.
        bins: mel bins of its features.
        has_encoder: whether the network has an encoder, whose output ``outputs`` gives.
        end_of_text: target that ends every text, or None.
        words_by: how a CTC model finds words; None for one that writes them, or finds none.
        frozen_layers: patterns of names of layers of the network that training leaves as they are by default.
    """

    kind: ClassVar[str]
    unit: ClassVar[str]
    network: nn.Module
    description: dict[str, Any]
    source: str = ""
    window: Window | None = None
    longest_seconds: float | None = None
    bins: int = MEL_BINS
    frozen_layers: tuple[str, ...] = ()
    has_encoder: ClassVar[bool] = False
    end_of_text: int | None = None
    words_by: Decoding | None = None

    @property
    @abstractmethod
    def digital_layers(self) -> tuple[str, ...]:
        """Patterns of names of layers of the network that stay digital."""

    @abstractmethod
    def targets(self, text: str) -> list[int]:
        """A text as the model writes it.

        Raises:
            DataError: it cannot be written.
        """

    def words(self, text: str) -> str:
        """A text as others wrote it, as far as the model could: unchanged by default."""
        return text

    @abstractmethod
    def require_texts(self, texts: Iterable[str]) -> None:
        """Raise DataError where texts cannot be written; everything that is missing is listed."""

    @abstractmethod
    def can_learn(self, samples: int, targets: Sequence[int], speeds: Sequence[float]) -> bool:
        """Whether an utterance of so many samples, played at any of the speeds, fits its targets and the model."""

    def see(self, cuts: Iterable[Cut]) -> None:
        """Look at training data before the first step, as for the statistics of features; nothing by default."""

    @abstractmethod
    def calibration_inputs(self, batch: SpeechBatch) -> Any:  # noqa: ANN401 - whatever the network takes
        """What the network takes: a tuple of positional arguments or a dict of keyword arguments."""

    @abstractmethod
    def outputs(self, batch: SpeechBatch) -> SpeechOutputs:
        """What the network makes of a batch whose texts are known."""

    @abstractmethod
    def loss(self, outputs: SpeechOutputs, batch: SpeechBatch) -> Tensor:
        """Negative log likelihood of the targets, summed over the batch, in nats."""

    @abstractmethod
    def errors(self, outputs: SpeechOutputs, batch: SpeechBatch) -> tuple[int, int]:
        """Errors of greedy decoding and what they are errors of, in units of ``unit``, summed over the batch."""

    @abstractmethod
    def encode(self, batch: SpeechBatch) -> Tensor:
        """What the network makes of speech alone, ``[batch, frames, width]``: output of the encoder, or of all of it.

        Raises:
            ConversionError: the output is not finite.
        """

    @abstractmethod
    def transcribe(self, batch: SpeechBatch, encoded: Tensor) -> list[str]:
        """Transcripts from what ``encode`` gave.

        Raises:
            ConversionError: the output of a decoder is not finite.
            DataError: the model does not know how to write words.
        """

    def word_errors(self, reference: str, hypothesis: str) -> ErrorCount:
        """Errors and words of a transcript, both texts normalized as ``memrix.asr.text`` does."""
        return count_errors(reference, hypothesis)

    @abstractmethod
    def reference_loss(self, batch: SpeechBatch, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Negative log likelihood of each reference in nats (float64), and its targets; both ``[batch]``.

        Raises:
            ConversionError: the output of a decoder is not finite.
        """

    def label_errors(self, batch: SpeechBatch, encoded: Tensor) -> list[ErrorCount] | None:
        """Errors of labels without a language model, of each utterance; None where targets are no such labels."""
        return None

    @abstractmethod
    def differences(self, settings: TrainingSettings) -> list[str]:
        """In what the model is another one than a training asks for."""

    @property
    def is_low_bit(self) -> bool:
        """Whether the network has fake quantizers."""
        return "hardware" in self.description

    @property
    def weight_bits(self) -> float | None:
        """Bits that its weights were trained with; None in float."""
        bits: float | None = self.description["hardware"]["weight_bits"] if self.is_low_bit else None
        return bits

    def quantize(self, hardware: Hardware, quantization: Quantization) -> None:
        """Put fake quantizers into the layers that go to a chip; the description says so."""
        memrix.quantize(self.network, self.chip_choice(hardware), quantization)
        self.description["hardware"] = hardware.to_dict()
        self.description["quantization"] = quantization.to_dict()

    def chip_choice(self, hardware: Hardware) -> dict[str, Hardware | None]:
        """Which layers go to that hardware: all but those that stay digital."""
        return {"*": hardware, **dict.fromkeys(self.digital_layers)}

    def with_network(self, network: nn.Module) -> Self:
        """The same model with another network, such as a copy of its network on a chip."""
        other = copy.copy(self)
        other._modules = {**self._modules, "network": network}
        return other
