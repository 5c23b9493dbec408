"""What is Whisper's own: an English transcript without timestamps, its tokenizers, and the sizes of its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpus import WINDOW_SECONDS
from memrix.asr.seq2seq.decoding import Decoding
from memrix.asr.seq2seq.parts import Pretrained
from memrix.errors import AssetError
from memrix.toolkit import shown

MODEL_TYPE = "whisper"
TOKENIZERS = ("WhisperTokenizer", "WhisperTokenizerFast")
_ENGLISH_VOCABULARY = 51864
_BINS = 80


def whisper_decoding(pretrained: Pretrained) -> Decoding:
    """Tokens that ask for an English transcript without timestamps, and those that are never in one.

    Raises:
        AssetError: the tokenizer lacks what Whisper is asked with.
    """
    config, tokenizer, settings = pretrained.model.config, pretrained.tokenizer, pretrained.model.generation_config
    words = ["<|startoftranscript|>", "<|notimestamps|>"]
    if getattr(settings, "is_multilingual", config.vocab_size > _ENGLISH_VOCABULARY):
        words[1:1] = ["<|en|>", "<|transcribe|>"]
    tokens = [tokenizer.convert_tokens_to_ids(word) for word in words]
    unknown = [
        word for word, token in zip(words, tokens, strict=True) if token is None or token == tokenizer.unk_token_id
    ]
    if unknown:
        raise AssetError(f"the tokenizer lacks {', '.join(unknown)}; expected the tokenizer of a Whisper model")
    # The last token of the prompt says that there are no timestamps; their tokens follow it.
    timestamps = range(tokens[-1], config.vocab_size)
    return Decoding(
        prompt=tuple(tokens),
        end=config.eos_token_id,
        never=tuple(sorted({*(settings.suppress_tokens or ()), *timestamps})),
        never_first=tuple(settings.begin_suppress_tokens or ()),
        prefix=" ",  # Whisper writes a space before the first word, too
    )


def require_features(settings: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise AssetError unless features are those of Whisper's window: before memory is taken for them."""
    # Windows of 25 ms every 10 ms, as in arXiv 2212.04356.
    expected = {
        "feature_size": config.get("num_mel_bins", _BINS),
        "sampling_rate": SAMPLE_RATE,
        "chunk_length": round(WINDOW_SECONDS),
        "n_fft": SAMPLE_RATE // 40,
        "hop_length": SAMPLE_RATE // 100,
    }
    others = [
        f"{name} = {shown(settings[name])}, expected {value}"
        for name, value in expected.items()
        if name in settings and settings[name] != value
    ]
    if others:
        raise AssetError(f"its features are not those of the model: {'; '.join(others)}")
