"""The experiment, step by step; what is done is kept, and every step goes on where it was cut off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lhotse import CutSet

from memrix.asr.content import hash_of
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.experiment.evaluation import Digital, Evaluation
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.experiment.systems import Measurement, System
from memrix.asr.experiment.trained import TrainedRecognizers
from memrix.asr.files import write_whole
from memrix.asr.labels import Labels, PhonemeLabels
from memrix.asr.pronunciation import corpus_pronunciations
from memrix.asr.search.estimation import estimate
from memrix.asr.search.language_model import LanguageModel, open_language_model
from memrix.asr.search.settings import SearchSettings
from memrix.asr.training.settings import TrainingSettings
from memrix.errors import DataError
from memrix.toolkit import file_path

if TYPE_CHECKING:
    from memrix.asr.training.news import Report

DEFAULT_BEAM = 100


@dataclass(frozen=True)
class ExperimentResult:
    """All measurements.

    Attributes:
        settings: of the experiment.
        corpus: name of the corpus.
        trained: the recognizers, and the search, whose settings were tuned with the float one on development data.
        measurements: of every system.
    """

    settings: ExperimentSettings
    corpus: str
    trained: TrainedRecognizers
    measurements: tuple[Measurement, ...]

    def of(self, kind: str, bits: float | None = None, variant: str = "") -> list[Measurement]:
        """Measurements of one kind of system."""
        return [
            item
            for item in self.measurements
            if (item.system.kind, item.system.bits, item.system.variant) == (kind, bits, variant)
        ]


def run_experiment(
    settings: ExperimentSettings,
    folder: str | Path,
    say: Callable[[str], None] = lambda text: None,
    report: Report = lambda news: None,
) -> ExperimentResult:
    """Train, program and compare; called again, it goes on where it stopped.

    Args:
        settings: of the experiment.
        folder: where trainings, language model and measurements are kept.
        say: is told in words what comes next.
        report: is told of every step of a training.

    Raises:
        DataError, CheckpointError, SettingsError, AssetError: corpus, folder, recognizers or programs that are needed
            cannot be used.
    """
    return _Experiment(settings, file_path(folder, DataError, "the folder of an experiment"), say, report).run()


class _Experiment:
    def __init__(
        self, settings: ExperimentSettings, folder: Path, say: Callable[[str], None], report: Report
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._say = say
        self._report = report
        self._corpus = open_corpus(settings.corpus)
        self._train = self._corpus.cuts("train").to_eager()
        self._dev = self._corpus.cuts("dev").to_eager()
        self._whole_test = self._corpus.cuts("test").to_eager()
        self._test = self._whole_test
        if settings.part is not None:
            self._test = self._corpus.cuts("test", settings.part)
        if settings.limit is not None:
            self._test = some(self._test, settings.limit)
        try:
            (folder / "systems").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"the folder {folder} cannot be used for an experiment ({error.strerror or error}); name another"
            ) from error

    def run(self) -> ExperimentResult:
        settings = self._settings
        path = self._float_recognizer()
        floating = Digital.read(path, None)
        language_model = self._language_model()
        evaluation = Evaluation(
            self._folder,
            self._say,
            self._train,
            self._dev,
            self._test,
            {word for text in self._texts for word in text.split()},
            self._lexicon_labels(floating.recognizer.labels),
            language_model,
        )
        tuned = self._search(evaluation, floating)
        found = [evaluation.measured(System("float"), floating, tuned)]
        paths = []
        for bits in settings.weight_bits:
            paths.append((bits, self._low_bit_recognizer(bits, path)))
            low_bit = Digital.read(paths[-1][1], bits)
            found.append(evaluation.measured(System("quantized", bits), low_bit, tuned))
            for variant, hardware in settings.variants(bits).items():
                for chip in range(settings.chips):
                    system = System("chip", bits, variant, chip)
                    found.append(evaluation.measured(system, low_bit, tuned, hardware, settings.seed + chip))
        trained = TrainedRecognizers(path, tuple(paths), language_model.path, tuned)
        return ExperimentResult(settings, self._corpus.name, trained, tuple(found))

    def _search(self, evaluation: Evaluation, floating: Digital) -> SearchSettings:
        settings = self._settings
        if settings.search is None:
            return evaluation.tuned(floating, settings.beam or DEFAULT_BEAM)
        return settings.search if settings.beam is None else replace(settings.search, beam_size=settings.beam)

    def _float_recognizer(self) -> Path:
        if self._settings.recognizer is not None:
            return Path(self._settings.recognizer)
        return self._trained(self._settings.float_training(), "float")

    def _low_bit_recognizer(self, bits: float, start: Path) -> Path:
        given = dict(self._settings.low_bit)
        if bits in given:
            return Path(given[bits])
        # An experiment that an earlier version began goes on in its folder.
        former = f"coarse-{bits:g}"
        name = former if (self._folder / former).is_dir() else f"low-bit-{bits:g}"
        return self._trained(self._settings.low_bit_training(bits, str(start)), name)

    def _trained(self, settings: TrainingSettings, name: str) -> Path:
        self._say(f"training {name}")
        # Lightning takes seconds to import: only where something is trained.
        from memrix.asr.training.loop import train

        return train(settings, self._folder / name, self._report)

    def _lexicon_labels(self, labels: Labels) -> Labels:
        """The same inventory, knowing how all words of the corpus are spelled."""
        if not isinstance(labels, PhonemeLabels):
            return labels
        known = corpus_pronunciations(self._settings.corpus, self._settings.dictionaries, self._texts)
        spelled = {**known, **labels.pronunciations}
        return PhonemeLabels(spelled, labels.phonemes)

    def _language_model(self) -> LanguageModel:
        if self._settings.language_model is not None:
            return open_language_model(Path(self._settings.language_model))
        path, beside = self._folder / "lm.arpa.gz", self._folder / "lm.json"
        texts = [cut.supervisions[0].text for cut in self._train]
        known = json.dumps({"texts": hash_of(*texts)}).encode()
        if not (path.is_file() and beside.is_file() and beside.read_bytes() == known):
            self._say("estimating a language model from the training text")
            estimate(texts, path)
            write_whole(beside, known)
        return open_language_model(path)

    @cached_property
    def _texts(self) -> list[str]:
        """All transcripts, also those left out of the test: a shorter test is not easier."""
        return [cut.supervisions[0].text for part in (self._train, self._dev, self._whole_test) for cut in part]


def some(cuts: CutSet, count: int) -> CutSet:
    """So many utterances, chosen by their ids alone."""
    ordered = sorted(cuts, key=lambda cut: hashlib.sha256(cut.id.encode()).hexdigest())
    return CutSet.from_cuts(ordered[:count])
