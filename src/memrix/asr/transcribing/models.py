"""Recognizers by name, with all that they need to write words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from memrix.asr.evaluation.opening import open_recognizer
from memrix.asr.labels import PhonemeLabels
from memrix.asr.recognizer import Recognizer
from memrix.asr.search.decoding import Decoding, bits_of
from memrix.asr.search.language_model import LanguageModel, open_language_model
from memrix.asr.speech_model import SpeechModel
from memrix.asr.trained_recognizers import TrainedRecognizers, is_trained, open_trained
from memrix.errors import CheckpointError, DataError, SettingsError


class Writer(NamedTuple):
    """A recognizer that writes words.

    Attributes:
        model: in float or quantized.
        decoding: hash of how a CTC recognizer finds words; empty for others, which write them.
    """

    model: SpeechModel
    decoding: str


def open_writer(name: str, weight_bits: float | None = None) -> Writer:
    """A recognizer by name.

    Args:
        name: ``whisper-tiny.en``, a Whisper model of the Hugging Face hub, a folder that holds one, a file that
            `memrix train` or `memrix pack` wrote, ``queen-small``, or a folder that `memrix experiment
            --save-trained` wrote.
        weight_bits: which of several recognizers it is to be; None for that in float. Of a single one, which may be
            put on a chip of any bits, it says nothing.

    Raises:
        AssetError: there is no such model, it is no speech model, or flashlight-text is not installed.
        CheckpointError: the file holds no recognizer, or one that finds words by a lexicon and a language model.
        SettingsError: there is no recognizer of so many bits.
        DataError: what words are found with is damaged or missing.
    """
    if not is_trained(name):
        model = open_recognizer(name)
        if isinstance(model, Recognizer):
            raise CheckpointError(
                f"{name!r} holds a CTC recognizer, which finds words by a lexicon and a language model; name the "
                "folder of its experiment (`memrix experiment --save-trained` writes one), or queen-small"
            )
        return Writer(model, "")
    trained = open_trained(name)
    model = open_recognizer(str(_file(name, trained, weight_bits)))
    if not isinstance(model, Recognizer):
        return Writer(model, "")
    decoding = _decoding(name, trained, model)
    return Writer(decoding.equip(model), decoding.fingerprint)


def _file(name: str, trained: TrainedRecognizers, weight_bits: float | None) -> object:
    known: Mapping[float | None, object] = {None: trained.floating, **dict(trained.low_bit)}
    if weight_bits not in known:
        bits = ", ".join(f"{found:g}" for found, _ in trained.low_bit)
        raise SettingsError(
            f"{name} has recognizers with weights of {bits} bits and in float, and weight_bits is {weight_bits:g}"
        )
    return known[weight_bits]


def _decoding(name: str, trained: TrainedRecognizers, model: Recognizer) -> Decoding:
    bits = bits_of(model)
    if trained.language_model is None or trained.search is None or bits not in trained.priors:
        raise DataError(
            f"{name} lacks the language model, the scales or the label prior that its recognizer finds words with; "
            "write the folder again, by `memrix experiment --save-trained`"
        )
    language_model = open_language_model(trained.language_model)
    prior: Tensor = torch.tensor(trained.priors[bits], dtype=torch.float64)
    words = _words(model, language_model)
    return Decoding(trained.search, language_model, model.labels, words, {bits: prior})


def _words(model: Recognizer, language_model: LanguageModel) -> tuple[str, ...]:
    """Words that can be found: those that the recognizer can spell."""
    labels = model.labels
    known = labels.pronunciations if isinstance(labels, PhonemeLabels) else language_model.words or ()
    return tuple(sorted(word for word in known if labels.spellings(word)))
