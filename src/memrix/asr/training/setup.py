"""From settings to what a training needs: utterances, labels, recognizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lhotse import CutSet

from memrix import Quantization
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.labels import Labels, PhonemeLabels, SubwordLabels
from memrix.asr.models.conformer import PRESETS
from memrix.asr.pronunciation import corpus_pronunciations
from memrix.asr.recognizer import Recognizer
from memrix.asr.recognizer_files import load_recognizer, new_recognizer, quantize_recognizer
from memrix.asr.seeds import derive
from memrix.asr.training.batches import evaluation_batches, padded_audio
from memrix.asr.training.calibration import calibrate_recognizer
from memrix.asr.training.data import SpeechData
from memrix.asr.training.settings import LabelSettings, TrainingSettings
from memrix.errors import CheckpointError, DataError

_STATISTICS_UTTERANCES = 500
_CALIBRATION_BATCHES = 8
VALIDATION_SECONDS = 120.0


@dataclass
class TrainingSetup:
    """What a training works on.

    Attributes:
        recognizer: with its first weights.
        train: utterances to learn from.
        dev: utterances to validate on.
        left_out: ids of training utterances too short for their labels.
    """

    recognizer: Recognizer
    train: CutSet
    dev: CutSet
    left_out: list[str]


def prepare_training(settings: TrainingSettings) -> TrainingSetup:
    """Open the corpus, choose the labels, and build the recognizer or read the one to start from.

    Raises:
        DataError: the corpus cannot be used, or words without pronunciation, all listed.
        CheckpointError: the recognizer to start from is of another kind than asked for.
    """
    corpus = open_corpus(settings.corpus)
    train, dev = corpus.cuts("train").to_eager(), corpus.cuts("dev").to_eager()
    start = None if settings.start is None else load_recognizer(Path(settings.start))[0]
    labels = _labels(settings, train, dev) if start is None else start.labels
    _check_spellings(labels, train, dev)
    if start is None:
        with torch.random.fork_rng():
            torch.manual_seed(derive(settings.seed, "weights"))
            recognizer = new_recognizer(settings.model or PRESETS["paper"], labels)
    else:
        recognizer = start
        _check_start(recognizer, settings)
    usable, left_out = _long_enough(train, recognizer, max(settings.augmentation.speeds))
    if start is None:
        _set_statistics(recognizer, usable)
    if settings.method != "float":
        _quantize(recognizer, settings, usable)
    return TrainingSetup(recognizer.train(), usable, dev, left_out)


def _labels(settings: TrainingSettings, train: CutSet, dev: CutSet) -> Labels:
    texts = [cut.supervisions[0].text for cut in train]
    kind = settings.labels or LabelSettings()
    if kind.kind == "subwords":
        return SubwordLabels.trained(texts, kind.size)
    texts += [cut.supervisions[0].text for cut in dev]
    return PhonemeLabels(corpus_pronunciations(settings.corpus, settings.dictionaries, texts))


def _check_spellings(labels: Labels, *parts: CutSet) -> None:
    missing = labels.unspellable(cut.supervisions[0].text for part in parts for cut in part)
    if missing:
        raise DataError(
            f"{len(missing)} words cannot be spelled in the labels of this recognizer: {', '.join(missing)}; give "
            "their pronunciations in your own dictionary (setting `dictionaries`), lines such as "
            "`hello HH AH L OW`"
        )


def _long_enough(cuts: CutSet, recognizer: Recognizer, fastest: float) -> tuple[CutSet, list[str]]:
    """Utterances with a frame for every label at the fastest speed, and the ids of the others."""
    labels = recognizer.labels
    short = []
    for cut in cuts:
        frames = int(recognizer.frames(torch.tensor(int(cut.num_samples / fastest))))
        if frames < labels.shortest_frames(labels.encode(cut.supervisions[0].text)):
            short.append(cut.id)
    left_out = set(short)
    kept = CutSet.from_cuts(cut for cut in cuts if cut.id not in left_out)
    if not len(kept):
        raise DataError("every training utterance is too short for its transcript; check that they belong together")
    return kept, short


def _set_statistics(recognizer: Recognizer, cuts: CutSet) -> None:
    """Mean and deviation of every feature over a sample of the training data."""
    sample = sorted(cuts, key=lambda cut: derive(0, "statistics", cut.id))[:_STATISTICS_UTTERANCES]
    total, squares, frames = 0.0, 0.0, 0
    for cut in sample:
        features, _ = recognizer.features(*padded_audio([cut]))
        total = total + features.double().sum(dim=(0, 1))
        squares = squares + features.double().square().sum(dim=(0, 1))
        frames += features.shape[1]
    mean = torch.as_tensor(total) / frames
    variance = torch.as_tensor(squares) / frames - mean.square()
    recognizer.mean.copy_(mean)
    # A band above the bandwidth of the recordings is constant.
    recognizer.deviation.copy_(variance.clamp(min=1e-4).sqrt())


def _check_start(recognizer: Recognizer, settings: TrainingSettings) -> None:
    """What is asked for must be what the recognizer to start from is."""
    known: dict[str, Any] = recognizer.description
    problems = []
    if settings.model is not None and known["model"] != settings.model.model_dump(mode="json"):
        problems.append(f"its model is {known['model']}, asked for {settings.model.model_dump(mode='json')}")
    if settings.labels is not None and known["labels"]["kind"] != settings.labels.kind:
        problems.append(f"its labels are {known['labels']['kind']}, asked for {settings.labels.kind}")
    if "hardware" in known and settings.method == "float":
        problems.append("its weights are quantized, and the method `float` starts from a float recognizer")
    elif "hardware" in known and _lacks_output_ranges(known["quantization"], settings.quantization):
        problems.append(
            "its outputs have no ranges, and the observer `fixed` finds none; set `quantization.output_quantizers` "
            "to false, or take another observer"
        )
    if problems:
        raise CheckpointError(
            f"the training cannot start from {settings.start}; leave out what is to be as there, or start from "
            "another recognizer:\n  " + "\n  ".join(problems)
        )


def _lacks_output_ranges(known: dict[str, Any], asked: Quantization) -> bool:
    return asked.observer == "fixed" and asked.output_quantizers and not known["output_quantizers"]


def _quantize(recognizer: Recognizer, settings: TrainingSettings, cuts: CutSet) -> None:
    """Fake quantizers as asked for, with ranges from data where neither the start nor training has them."""
    quantization = settings.complete_quantization
    quantize_recognizer(recognizer, settings.hardware, quantization)
    if quantization.device_resampling or quantization.learned_steps or quantization.observer == "fixed":
        calibrate_recognizer(
            recognizer,
            settings.hardware,
            cuts,
            batches=_CALIBRATION_BATCHES,
            seconds=VALIDATION_SECONDS,
            seed=settings.seed,
            keep_ranges=True,
        )


def validation_data(setup: TrainingSetup) -> tuple[SpeechData, list[list[str]]]:
    """The held-out utterances and how they are batched."""
    data = SpeechData(setup.dev, setup.recognizer.labels, None)
    return data, evaluation_batches(setup.dev, VALIDATION_SECONDS)
