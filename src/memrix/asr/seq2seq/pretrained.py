"""Pretrained sequence-to-sequence models by name, as speech models."""

from __future__ import annotations

from typing import Any

from memrix.asr.recognizer_files import load_recognizer, recognizer_digest
from memrix.asr.seq2seq.decoding import Decoding
from memrix.asr.seq2seq.loading import load_pretrained
from memrix.asr.seq2seq.model import SequenceToSequence
from memrix.asr.seq2seq.parts import Pretrained
from memrix.asr.whisper import own
from memrix.errors import AssetError, CheckpointError
from memrix.toolkit import former_names, shown

_TRAINED = ".safetensors"


def load_seq2seq(name: str) -> SequenceToSequence:
    """``whisper-tiny.en``, an existing folder, ``owner/name`` on the hub, or a file that ``memrix train`` wrote.

    Raises:
        AssetError: unknown name, out of reach, damaged, or no model that transcribes speech.
        CheckpointError: a file that holds none.
    """
    return _trained(name) if name.endswith(_TRAINED) else load_pretrained_seq2seq(name)


def load_pretrained_seq2seq(name: str) -> SequenceToSequence:
    """``whisper-tiny.en``, or what ``AutoModelForSpeechSeq2Seq`` loads: a folder, or ``owner/name`` on the hub.

    Raises:
        AssetError: unknown name, out of reach, damaged, no model that transcribes speech, or a tokenizer of another.
    """
    return speech_model_of(load_pretrained(name), name)


def speech_model_of(pretrained: Pretrained, name: str) -> SequenceToSequence:
    """A pretrained model as a speech model, decoded greedily; Whisper in English, without timestamps.

    Raises:
        AssetError: its tokenizer or settings lack what a decoder begins or ends with.
    """
    config = pretrained.model.config
    whisper = config.model_type == own.MODEL_TYPE
    decoding = own.whisper_decoding(pretrained) if whisper else _decoding(pretrained, name)
    return SequenceToSequence(
        pretrained.model, pretrained.tokenizer, pretrained.features, decoding, name, pretrained.source
    )


def _decoding(pretrained: Pretrained, name: str) -> Decoding:
    """What a decoder begins with, and what ends its texts, as its settings of generation or of the model say."""
    model = pretrained.model
    found: dict[str, Any] = {}
    for key in ("decoder_start_token_id", "eos_token_id"):
        values = (getattr(source, key, None) for source in (model.generation_config, model.config))
        found[key] = next((value for value in values if value is not None), None)
    start, end = found.values()
    ends = end if isinstance(end, list) else [end]
    if not isinstance(start, int) or not ends or not all(isinstance(token, int) for token in ends):
        raise AssetError(
            f"{name} does not say which tokens its decoder begins and ends with ({shown(found)}); save its "
            "generation_config.json with decoder_start_token_id and eos_token_id"
        )
    # Any other end would be taken for a token of the text.
    return Decoding(prompt=(start,), end=ends[0], never=tuple(ends[1:]))


def _trained(path: str) -> SequenceToSequence:
    model = load_recognizer(path)[0]
    if not isinstance(model, SequenceToSequence):
        raise CheckpointError(
            f"{path!r} holds a CTC recognizer, whose texts need a lexicon and a language model: `memrix evaluate "
            "--model` finds words with them"
        )
    model.source = f"{path}, SHA-256 {recognizer_digest(path)}; from {model.source}"
    return model


__getattr__ = former_names(__name__, {"whisper_model": "speech_model_of"})
