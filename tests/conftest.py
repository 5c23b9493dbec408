"""A tiny random Whisper and generated recordings: speech recognition without downloads."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests import compiled

LETTERS = "abcdefghijklmnopqrstuvwxyz '"
TEXTS = ("one two", "three", "four five", "six", "seven eight", "nine", "ten", "no more")


def pytest_sessionstart() -> None:
    """Before tests are collected, some of which look at cells then; of one process, each makes what it needs."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        compiled.make(Path(tempfile.gettempdir()))


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory) -> Path:
    """A Whisper whose random weights say nothing that ends: each transcript is as long as there is room for it."""
    return write_whisper(tmp_path_factory.mktemp("tiny-whisper"), positions=40)


def write_whisper(folder: Path, positions: int) -> Path:
    """Save a Whisper of a few thousand random weights that spells letter by letter, with room for so many tokens."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    special = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]
    tokens = [*LETTERS, *special]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, "'"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, additional_special_tokens=special).save_pretrained(folder)
    end, start = tokens.index("<|endoftext|>"), tokens.index("<|startoftranscript|>")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = WhisperForConditionalGeneration(
            WhisperConfig(
                vocab_size=len(tokens),
                d_model=16,
                encoder_layers=1,
                encoder_attention_heads=2,
                encoder_ffn_dim=32,
                decoder_layers=1,
                decoder_attention_heads=2,
                decoder_ffn_dim=32,
                max_target_positions=positions,
                eos_token_id=end,
                bos_token_id=end,
                pad_token_id=end,
                decoder_start_token_id=start,
                init_std=0.5,
                suppress_tokens=None,
                begin_suppress_tokens=None,
            )
        )
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture
def recordings(tmp_path) -> Path:
    """A folder of eight clips of half a second, and a manifest of what they are to say."""
    return write_recordings(tmp_path / "recordings")


@pytest.fixture(scope="session")
def kept_recordings(tmp_path_factory) -> Path:
    """The same recordings, for tests that leave them as they are."""
    return write_recordings(tmp_path_factory.mktemp("kept") / "recordings")


def write_recordings(folder: Path) -> Path:
    import soundfile

    folder.mkdir()
    generator = np.random.default_rng(0)
    lines = []
    for number, text in enumerate(TEXTS):
        audio = 0.1 * generator.standard_normal(8000)
        soundfile.write(folder / f"clip{number}.wav", audio, 16_000)
        lines.append(json.dumps({"audio": f"clip{number}.wav", "text": text}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder
