"""Pretrained sequence-to-sequence models by name, as speech models."""

from __future__ import annotations

from memrix.asr.seq2seq.model import Decoding, SequenceToSequence
from memrix.asr.whisper.pretrained import load_pretrained
from memrix.asr.whisper.recognizer import whisper_prompt


def load_seq2seq(name: str) -> SequenceToSequence:
    """``whisper-tiny.en``, an existing folder, or ``owner/name`` on the hub.

    Raises:
        AssetError: unknown name, out of reach, damaged, or no model that transcribes speech.
    """
    pretrained = load_pretrained(name)
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
