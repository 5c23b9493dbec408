"""What Whisper is asked for: an English transcript without timestamps."""

from __future__ import annotations

from memrix.asr.whisper.pretrained import Pretrained
from memrix.errors import AssetError

_ENGLISH_VOCABULARY = 51864


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
