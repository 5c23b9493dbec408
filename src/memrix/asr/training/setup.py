"""From settings to what a training needs: utterances, and the model that learns from them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lhotse import CutSet

from memrix import Quantization
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.speech_model import SpeechModel
from memrix.asr.training import stages
from memrix.asr.training.batches import Joined, evaluation_batches, joined, window_batches
from memrix.asr.training.data import SpeechData
from memrix.asr.training.making import new_model
from memrix.asr.training.settings import TrainingSettings
from memrix.errors import CheckpointError, DataError, SettingsError

VALIDATION_SECONDS = 120.0


@dataclass
class TrainingSetup:
    """What a training works on.

    Attributes:
        recognizer: with its first weights.
        teacher: that it learns from, beside the texts, or None.
        train: utterances to learn from.
        dev: utterances to validate on.
        left_out: ids of training utterances that do not fit the model.
    """

    recognizer: SpeechModel
    teacher: SpeechModel | None
    train: CutSet
    dev: CutSet
    left_out: list[str]


def prepare_training(settings: TrainingSettings) -> TrainingSetup:
    """Open the corpus, and build the model or read the one to start from.

    Raises:
        DataError: the corpus cannot be used, or words without pronunciation, all listed.
        CheckpointError: the recognizer to start from is of another kind than asked for.
    """
    corpus = open_corpus(settings.corpus)
    train, dev = corpus.cuts("train").to_eager(), corpus.cuts("dev").to_eager()
    start = None if settings.start is None else load_recognizer(Path(settings.start))[0]
    model = new_model(settings, train, dev) if start is None else start
    model.require_texts(cut.supervisions[0].text for part in (train, dev) for cut in part)
    if start is not None:
        _check_start(model, settings)
    usable, left_out = _learnable(train, model, settings.augmentation.speeds)
    if start is None:
        model.see(usable)
    teacher = _teacher(settings, model)
    first = stages.stage_of(settings, 0)
    stages.enter(model, first, settings)
    stages.calibrate(model, first, settings, usable)
    return TrainingSetup(model.train(), teacher, usable, dev, left_out)


def _learnable(cuts: CutSet, model: SpeechModel, speeds: tuple[float, ...]) -> tuple[CutSet, list[str]]:
    """Utterances that the model can learn from, and the ids of the others."""
    short = [
        cut.id
        for cut in cuts
        if not model.can_learn(cut.num_samples, model.targets(cut.supervisions[0].text), speeds)
    ]
    left_out = set(short)
    kept = CutSet.from_cuts(cut for cut in cuts if cut.id not in left_out)
    if not len(kept):
        raise DataError(
            "every training utterance is too short for its transcript, or too long for the model; check that they "
            "belong together"
        )
    return kept, short


def _teacher(settings: TrainingSettings, model: SpeechModel) -> SpeechModel | None:
    """The float model to learn from, or None.

    Raises:
        SettingsError: it has low-bit weights, or other targets; or the model has no encoder of its own.
    """
    wanted = settings.distillation
    if not wanted.has_teacher:
        return None
    teacher = copy.deepcopy(model) if wanted.teacher is None else load_recognizer(Path(wanted.teacher))[0]
    if teacher.is_low_bit:
        raise SettingsError(
            "distillation needs a float recognizer to learn from, and this one has low-bit weights; name a float one "
            "(setting distillation.teacher)"
        )
    if (teacher.kind, teacher.description["labels"]) != (model.kind, model.description["labels"]):
        raise SettingsError(f"the teacher {wanted.teacher} has other labels than the recognizer; name another one")
    if wanted.encoder and not model.has_encoder:
        raise SettingsError("distillation.encoder needs a model with an encoder, such as Whisper; leave it out")
    return teacher


def _check_start(model: SpeechModel, settings: TrainingSettings) -> None:
    """What is asked for must be what the recognizer to start from is."""
    known: dict[str, Any] = model.description
    problems = model.differences(settings)
    if model.is_low_bit and settings.method == "float":
        problems.append("its weights are quantized, and the method `float` starts from a float recognizer")
    elif model.is_low_bit and _lacks_output_ranges(known["quantization"], settings.quantization):
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


def validation_data(setup: TrainingSetup) -> tuple[SpeechData, list[list[Joined]]]:
    """The held-out utterances, and how they are batched: joined to windows as those of training are."""
    data, model = SpeechData(setup.dev, setup.recognizer, None), setup.recognizer
    if model.window is None:
        return data, [[(name,) for name in ids] for ids in evaluation_batches(setup.dev, VALIDATION_SECONDS)]
    windows = joined(sorted(setup.dev, key=lambda cut: cut.id), model, model.window)
    return data, window_batches(windows, model.window, VALIDATION_SECONDS)
