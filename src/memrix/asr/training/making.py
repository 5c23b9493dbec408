"""New models from the settings of a training, for its texts."""

from __future__ import annotations

import torch
from lhotse import CutSet

from memrix.asr.labels import Labels, PhonemeLabels, SubwordLabels
from memrix.asr.models.conformer import PRESETS
from memrix.asr.pronunciation import corpus_pronunciations
from memrix.asr.recognizer import new_recognizer
from memrix.asr.seeds import derive
from memrix.asr.seq2seq.settings import Seq2SeqSettings
from memrix.asr.speech_model import SpeechModel
from memrix.asr.training.settings import LabelSettings, TrainingSettings
from memrix.errors import SettingsError


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
