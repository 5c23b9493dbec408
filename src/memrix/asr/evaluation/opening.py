"""From settings to what an evaluation works on: recognizers by name, recordings, and what finds words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memrix.asr.cache import cache_dir
from memrix.asr.corpora.catalog import load_corpus, prepared_corpus
from memrix.asr.corpus import Corpus
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.evaluation.words import WordFinder
from memrix.asr.recognizer import Recognizer
from memrix.asr.recognizer_files import load_recognizer, recognizer_digest
from memrix.asr.search.decoding import Decoding
from memrix.asr.speech_model import SpeechModel
from memrix.asr.trained_recognizers import TrainedRecognizers, is_trained, open_trained
from memrix.errors import CheckpointError

_TRAINED = ".safetensors"
_CALIBRATION_SPLIT = "train"


@dataclass(frozen=True)
class Opened:
    """What an evaluation works on.

    Attributes:
        recognizer: in float.
        low_bit: trained with low-bit weights, by their bits.
        corpus: to evaluate.
        calibration: to draw calibration clips from; None draws them from the corpus.
        decoding: how the recognizers find words; None for those that write them.
    """

    recognizer: SpeechModel
    low_bit: Mapping[float, SpeechModel]
    corpus: Corpus
    calibration: Corpus | None
    decoding: Decoding | None


def open_recognizer(name: str) -> SpeechModel:
    """``whisper-tiny.en``, a folder of ``transformers``, ``owner/name`` on the hub, or a file of ``memrix train``.

    Raises:
        AssetError: unknown name, out of reach, damaged, or no model that transcribes speech.
        CheckpointError: a file that holds no recognizer.
    """
    if not name.endswith(_TRAINED):
        from memrix.asr.seq2seq.pretrained import load_pretrained_seq2seq  # transformers takes seconds to import

        return load_pretrained_seq2seq(name)
    model = load_recognizer(name)[0]
    before = f"; from {model.source}" if model.source else ""
    model.source = f"{Path(name).name}, SHA-256 {recognizer_digest(name)}{before}"
    return model


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
    found = model.description["hardware"]["weight_bits"] if model.is_low_bit else None
    if found != bits:
        wanted, got = ("in float" if number is None else f"of {number:g} bit" for number in (bits, found))
        remedy = (
            f"; give a float one as the model, and this file by --low-bit {found or 0:g}:FILE" if not bits else ""
        )
        raise CheckpointError(f"{path!r} holds a recognizer {got}, expected one {wanted}{remedy}")
    return model


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
        return Opened(model, low_bit, corpus, calibration, None)
    texts = [model.words(utterance.text) for utterance in corpus.utterances]
    finder = WordFinder(settings, texts, prepared, trained, folder or cache_dir() / "decoding", reporter)
    others = {bits: other for bits, other in low_bit.items() if isinstance(other, Recognizer)}
    decoding = finder.decoding(model, others.values())
    equipped = {bits: decoding.equip(other) for bits, other in others.items()}
    return Opened(decoding.equip(model), equipped, corpus, calibration, decoding)
