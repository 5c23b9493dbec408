"""Pretrained sequence-to-sequence models by name, as speech models."""

from __future__ import annotations

from memrix.asr.recognizer_files import load_recognizer, recognizer_digest
from memrix.asr.seq2seq.decoding import Decoding
from memrix.asr.seq2seq.model import SequenceToSequence
from memrix.asr.whisper.pretrained import Pretrained, load_pretrained
from memrix.asr.whisper.prompt import whisper_prompt
from memrix.errors import CheckpointError

_TRAINED = ".safetensors"


def load_seq2seq(name: str) -> SequenceToSequence:
    """``whisper-tiny.en``, an existing folder, ``owner/name`` on the hub, or a file that ``memrix train`` wrote.

    Raises:
        AssetError: unknown name, out of reach, damaged, or no model that transcribes speech.
        CheckpointError: a file that holds none.
    """
    return _trained(name) if name.endswith(_TRAINED) else load_pretrained_seq2seq(name)


def load_pretrained_seq2seq(name: str) -> SequenceToSequence:
    """``whisper-tiny.en``, an existing folder, or ``owner/name`` on the hub.

    Raises:
        AssetError: unknown name, out of reach, damaged, or no model that transcribes speech.
    """
    return whisper_model(load_pretrained(name), name)


def whisper_model(pretrained: Pretrained, name: str) -> SequenceToSequence:
    """Whisper as a speech model: English, without timestamps.

    Raises:
        AssetError: the tokenizer lacks what Whisper is asked with.
    """
    prompt = whisper_prompt(pretrained)
    settings = pretrained.model.generation_config
    # The last token of the prompt says that there are no timestamps; their tokens follow it.
    timestamps = range(prompt[-1], pretrained.model.config.vocab_size)
    decoding = Decoding(
        prompt=tuple(prompt),
        end=pretrained.model.config.eos_token_id,
        never=tuple(sorted({*(settings.suppress_tokens or ()), *timestamps})),
        never_first=tuple(settings.begin_suppress_tokens or ()),
        prefix=" ",  # Whisper writes a space before the first word, too
    )
    return SequenceToSequence(
        pretrained.model, pretrained.tokenizer, pretrained.features, decoding, name, pretrained.source
    )


def _trained(path: str) -> SequenceToSequence:
    model = load_recognizer(path)[0]
    if not isinstance(model, SequenceToSequence):
        raise CheckpointError(
            f"{path!r} holds a CTC recognizer, whose texts need a lexicon and a language model: `memrix experiment "
            "paper --recognizer` decodes with them"
        )
    model.source = f"{path}, SHA-256 {recognizer_digest(path)}; from {model.source}"
    return model
