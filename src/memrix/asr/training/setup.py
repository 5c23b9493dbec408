"""From settings to what a training needs: utterances, and the model that learns from them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from lhotse import CutSet
from lightning.fabric.accelerators import CUDAAccelerator, MPSAccelerator

from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.labels import Labels, PhonemeLabels, SubwordLabels
from memrix.asr.models.conformer import PRESETS
from memrix.asr.models.settings import Seq2SeqSettings
from memrix.asr.pronunciation import corpus_pronunciations
from memrix.asr.recognizer import new_recognizer
from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.seeds import derive
from memrix.asr.speech_model import SpeechModel
from memrix.asr.training import stages
from memrix.asr.training.settings import LabelSettings, TrainingSettings
from memrix.errors import CheckpointError, DataError, SettingsError


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


def prepare_training(settings: TrainingSettings, *, resumed: bool = False) -> TrainingSetup:
    """Open the corpus, and build the model or read the one to start from.

    Args:
        settings: of the training.
        resumed: whether weights will be those of an interrupted training, and need no start.

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
    first, before = stages.stage_of(settings, 0), model.weight_bits
    stages.enter(model, first, settings)
    if not resumed:
        stages.calibrate(model, first, settings, usable, before)
    return TrainingSetup(model.train(), teacher, usable, dev, left_out)


def _learnable(cuts: CutSet, model: SpeechModel, speeds: tuple[float, ...]) -> tuple[CutSet, list[str]]:
    """Utterances that the model can learn from, and the ids of the others."""
    fits = {cut.id: model.can_learn(cut.num_samples, model.targets(cut.supervisions[0].text), speeds) for cut in cuts}
    if not any(fits.values()):
        raise DataError(
            "every training utterance is too short for its transcript, or too long for the model; check that they "
            "belong together"
        )
    return CutSet.from_cuts(cut for cut in cuts if fits[cut.id]), [name for name, fit in fits.items() if not fit]


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
    problems = model.differences(settings)
    if model.is_low_bit and settings.method == "float":
        problems.append("its weights are quantized, and the method `float` starts from a float recognizer")
    elif (
        model.is_low_bit
        and settings.quantization.observer == "fixed"
        and settings.quantization.output_quantizers
        and not model.description["quantization"]["output_quantizers"]
    ):
        problems.append(
            "its outputs have no ranges, and the observer `fixed` finds none; set `quantization.output_quantizers` "
            "to false, or take another observer"
        )
    if problems:
        raise CheckpointError(
            f"the training cannot start from {settings.start}; leave out what is to be as there, or start from "
            "another recognizer:\n  " + "\n  ".join(problems)
        )


def new_model(settings: TrainingSettings, train: CutSet, dev: CutSet) -> SpeechModel:
    """A pretrained sequence-to-sequence model, or a CTC network with labels for the texts.

    Raises:
        AssetError: pretrained weights that are out of reach.
        SettingsError: labels for a model that brings its own.
    """
    if not isinstance(settings.model, Seq2SeqSettings):
        labels = _labels(settings, train, dev)
        with torch.random.fork_rng():
            torch.manual_seed(derive(settings.seed, "weights"))
            return new_recognizer(settings.model or PRESETS["paper"], labels)
    if settings.labels is not None:
        raise SettingsError(f"{settings.model.checkpoint} brings its own tokenizer; leave out the setting labels")
    from memrix.asr.seq2seq.pretrained import load_seq2seq  # imports transformers, which takes seconds

    return load_seq2seq(settings.model.checkpoint)


def _labels(settings: TrainingSettings, train: CutSet, dev: CutSet) -> Labels:
    texts = [cut.supervisions[0].text for cut in train]
    kind = settings.labels or LabelSettings()
    if kind.kind == "subwords":
        return SubwordLabels.trained(texts, kind.size)
    texts += [cut.supervisions[0].text for cut in dev]
    return PhonemeLabels(corpus_pronunciations(settings.corpus, settings.dictionaries, texts))


def require_devices(settings: TrainingSettings) -> None:
    """Hold what the settings ask for against this machine.

    Raises:
        SettingsError: the accelerator or so many devices of it are not there, or the precision needs another one.
    """
    there = _accelerators()
    # In Lightning's order of preference.
    asked = next(iter(there), "cpu") if settings.accelerator == "auto" else settings.accelerator
    found = " and ".join(f"{count} of {name!r}" for name, count in there.items()) or "no accelerator besides its CPU"
    problems = []
    if asked != "cpu" and asked not in there:
        problems.append(f"accelerator {asked!r}: this machine has {found}; take another one, or 'auto'")
    elif asked != "cpu" and settings.devices > there[asked]:
        problems.append(f"devices {settings.devices} of {asked!r}: this machine has {found}; ask for no more")
    if asked == "cpu" and settings.precision == "bf16" and not _cpu_multiplies_bfloat16():
        problems.append(
            f"precision 'bf16' needs a GPU or a CPU with instructions for it (such as AVX-512 BF16), and accelerator "
            f"{settings.accelerator!r} is a CPU without them here: this machine has {found}; take precision '32'"
        )
    if problems:
        raise SettingsError("this training cannot run here:\n  " + "\n  ".join(problems))


def _cpu_multiplies_bfloat16() -> bool:
    """Whether bfloat16 is faster than single precision on this CPU; emulated, it is several times slower."""
    told: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(told.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _accelerators() -> dict[str, int]:
    """How many there are of each kind that is there."""
    counts = {
        # Lightning counts them without starting CUDA, which would forbid processes to fork.
        "mps": int(MPSAccelerator.is_available()),
        "cuda": CUDAAccelerator.auto_device_count(),
    }
    return {name: count for name, count in counts.items() if count}
