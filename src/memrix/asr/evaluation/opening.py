"""From settings to what an evaluation works on: recognizers by name, recordings, and what finds words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from memrix.asr.corpora.catalog import load_corpus, prepared_corpus
from memrix.asr.corpus import Corpus
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.evaluation.words import WordFinder
from memrix.asr.files import cache_dir
from memrix.asr.labels import PhonemeLabels
from memrix.asr.recognizer import Recognizer
from memrix.asr.recognizer_files import open_recognizer
from memrix.asr.search.decoding import Decoding
from memrix.asr.search.language_model import open_language_model
from memrix.asr.speech_model import SpeechModel
from memrix.asr.trained_recognizers import TrainedRecognizers, is_trained, open_trained
from memrix.errors import CheckpointError, DataError

_CALIBRATION_SPLIT = "train"


class Opened(NamedTuple):
    """What an evaluation works on, as ``memrix.asr.evaluation.run.evaluate`` takes it."""

    recognizer: SpeechModel
    corpus: Corpus
    low_bit: Mapping[float, SpeechModel]
    calibration: Corpus | None


def open_recognizers(
    settings: EvaluationSettings, trained: TrainedRecognizers | None
) -> tuple[SpeechModel, dict[float, SpeechModel]]:
    """The float model, and those that were trained with low-bit weights, by their bits.

    Raises:
        AssetError, CheckpointError: they cannot be loaded, have other bits, or other labels than the float one.
    """
    path = settings.model if trained is None else str(trained.floating)
    model = _of_bits(path, None)
    known = {} if trained is None else {bits: str(file) for bits, file in trained.low_bit}
    files = {bits: file for bits, file in {**known, **settings.low_bit_files}.items() if bits in settings.weight_bits}
    low_bit = {bits: _of_bits(file, bits) for bits, file in files.items()}
    for bits, other in low_bit.items():
        if (other.kind, _inventory(other)) != (model.kind, _inventory(model)):
            raise CheckpointError(
                f"{files[bits]!r} holds a recognizer of other labels than {path!r}; give files of one training"
            )
    return model, low_bit


def _of_bits(path: str, bits: float | None) -> SpeechModel:
    """The recognizer of a file, whose weights are to have so many bits; None in float."""
    model = open_recognizer(path)
    found = model.weight_bits
    if found != bits:
        wanted, got = ("in float" if number is None else f"of {number:g} bit" for number in (bits, found))
        remedy = (
            f"; give a float one as the model, and this file by --low-bit {found or 0:g}:FILE" if not bits else ""
        )
        raise CheckpointError(f"{path!r} holds a recognizer {got}, expected one {wanted}{remedy}")
    return model


def open_writer(name: str, weight_bits: float | None = None) -> SpeechModel:
    """A recognizer by name, with all that it needs to write words.

    Args:
        name: as for ``open_recognizer``, ``queen-small``, or a folder that `memrix experiment --save-trained` wrote.
        weight_bits: which of several recognizers it is to be; None for that in float. Of a single one, which may be
            put on a chip of any bits, it says nothing.

    Raises:
        AssetError: there is no such model, it is no speech model, or flashlight-text is not installed.
        CheckpointError: the file holds no recognizer, or one that finds words by a lexicon and a language model.
        SettingsError: there is no recognizer of so many bits.
        DataError: what words are found with is damaged or missing.
    """
    trained = open_trained(name) if is_trained(name) else None
    model = open_recognizer(name if trained is None else str(trained.file(weight_bits)))
    if not isinstance(model, Recognizer):
        return model
    if trained is None:
        raise CheckpointError(
            f"{name!r} holds a CTC recognizer, which finds words by a lexicon and a language model; name the "
            "folder of its experiment (`memrix experiment --save-trained` writes one), or queen-small"
        )
    return _equipped(model, trained, name)


def _equipped(model: Recognizer, trained: TrainedRecognizers, name: str) -> Recognizer:
    """A recognizer that finds the words that it can spell, by what was saved with it."""
    bits, labels = model.weight_bits, model.labels
    if trained.language_model is None or trained.search is None or bits not in trained.priors:
        raise DataError(
            f"{name} lacks the language model, the scales or the label prior that its recognizer finds words with; "
            "write the folder again, by `memrix experiment --save-trained`"
        )
    language_model = open_language_model(trained.language_model)
    known = labels.pronunciations if isinstance(labels, PhonemeLabels) else language_model.words or ()
    words = tuple(sorted(word for word in known if labels.spellings(word)))
    prior = torch.tensor(trained.priors[bits], dtype=torch.float64)
    return Decoding(trained.search, language_model, labels, words, {bits: prior}).equip(model)


def _inventory(model: SpeechModel) -> object:
    return model.labels.symbols if isinstance(model, Recognizer) else model.description["labels"]


def open_evaluation(settings: EvaluationSettings, reporter: Reporter, folder: Path | None = None) -> Opened:
    """Read models and corpus, and make CTC recognizers find words.

    Args:
        settings: of the evaluation.
        reporter: hears what comes next.
        folder: where language model, scales and label priors are kept. By default in the cache folder.

    Raises:
        MemrixError: something cannot be used.
    """
    with reporter.stage(f"corpus {settings.corpus}", 1) as advance:
        # One that is fetched is prepared first.
        corpus = load_corpus(settings.corpus, lambda done, most: advance(done / max(most, 1)), subset=settings.part)
    trained = open_trained(settings.model) if is_trained(settings.model) else None
    with reporter.stage("loading", 1) as advance:
        model, low_bit = open_recognizers(settings, trained)
        advance(1)
    prepared = prepared_corpus(settings.corpus)
    held = settings.calibration_split
    if held is None and prepared is not None and _CALIBRATION_SPLIT in prepared.splits:
        held = _CALIBRATION_SPLIT
    calibration = None if held is None else load_corpus(settings.corpus, part=held)
    if not isinstance(model, Recognizer):
        return Opened(model, corpus, low_bit, calibration)
    texts = [model.words(utterance.text) for utterance in corpus.utterances]
    finder = WordFinder(settings, texts, prepared, trained, folder or cache_dir() / "decoding", reporter)
    others = {bits: other for bits, other in low_bit.items() if isinstance(other, Recognizer)}
    decoding = finder.decoding(model, others.values())
    equipped = {bits: decoding.equip(other) for bits, other in others.items()}
    return Opened(decoding.equip(model), corpus, equipped, calibration)
