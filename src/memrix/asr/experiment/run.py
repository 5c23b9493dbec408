"""The experiment, step by step; what is done is kept, and every step goes on where it was cut off."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from lhotse import CutSet

from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.corpora.writing import write_whole
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.experiment.systems import Measurement, System, measure, on_chip
from memrix.asr.labels import Labels, PhonemeLabels
from memrix.asr.pronunciation import corpus_pronunciations
from memrix.asr.recogniser import Recogniser
from memrix.asr.recogniser_files import load_recogniser
from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.estimation import estimate
from memrix.asr.search.language_model import LanguageModel, open_language_model
from memrix.asr.search.lexicon import Lexicon
from memrix.asr.search.prior import label_prior
from memrix.asr.search.settings import SearchSettings
from memrix.asr.search.tuning import tune
from memrix.asr.training.loop import Report, train
from memrix.asr.training.settings import TrainingSettings
from memrix.asr.transcription import emissions
from memrix.errors import DataError

LM_SCALES = (0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4, 2.8)
PRIOR_SCALES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class News:
    """What an experiment is about to do, in words, for whoever shows its progress."""

    text: str


@dataclass(frozen=True)
class ExperimentResult:
    """All measurements.

    Attributes:
        settings: of the experiment.
        corpus: name of the corpus.
        search: settings of the search, tuned with the float recogniser on development data.
        measurements: of every system.
    """

    settings: ExperimentSettings
    corpus: str
    search: SearchSettings
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
    say: Callable[[News], None] = lambda news: None,
    report: Report = lambda news: None,
) -> ExperimentResult:
    """Train, program and compare; called again, it goes on where it stopped.

    Args:
        settings: of the experiment.
        folder: where trainings, language model and measurements are kept.
        say: is told what comes next.
        report: is told of every step of a training.

    Raises:
        DataError, CheckpointError, SettingsError, AssetError: corpus, folder, recognisers or programs that are needed
            cannot be used.
    """
    return _Experiment(settings, Path(folder), say, report).run()


class _Experiment:
    def __init__(
        self, settings: ExperimentSettings, folder: Path, say: Callable[[News], None], report: Report
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._say = say
        self._report = report
        self._corpus = open_corpus(settings.corpus)
        self._train = self._corpus.cuts("train").to_eager()
        self._dev = self._corpus.cuts("dev").to_eager()
        test = self._corpus.cuts("test").to_eager()
        if settings.limit is not None:
            test = _some(test, settings.limit)
        self._test = test
        folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> ExperimentResult:
        settings = self._settings
        path = self._float_recogniser()
        recogniser, _ = load_recogniser(path)
        lexicon_labels = self._lexicon_labels(recogniser.labels)
        language_model = self._language_model()
        tuned = self._tuned(path, recogniser, lexicon_labels, language_model)
        found = [self._measured(System("float"), path, recogniser, lexicon_labels, language_model, tuned)]
        for bits in settings.weight_bits:
            coarse_path = self._coarse_recogniser(bits, path)
            coarse, _ = load_recogniser(coarse_path)
            for system in self._systems(bits):
                found.append(self._measured(system, coarse_path, coarse, lexicon_labels, language_model, tuned))
        return ExperimentResult(settings, self._corpus.name, tuned, tuple(found))

    def _systems(self, bits: float) -> Iterator[System]:
        yield System("quantised", bits)
        for variant in self._settings.variants(bits):
            for chip in range(self._settings.chips):
                yield System("chip", bits, variant, chip)

    def _float_recogniser(self) -> Path:
        if self._settings.recogniser is not None:
            return Path(self._settings.recogniser)
        return self._trained(self._settings.float_training(), "float")

    def _coarse_recogniser(self, bits: float, start: Path) -> Path:
        given = dict(self._settings.coarse)
        if bits in given:
            return Path(given[bits])
        return self._trained(self._settings.coarse_training(bits, str(start)), f"coarse-{bits:g}")

    def _trained(self, settings: TrainingSettings, name: str) -> Path:
        self._say(News(f"training {name}"))
        return train(settings, self._folder / name, self._report)

    def _lexicon_labels(self, labels: Labels) -> Labels:
        """The same inventory, knowing how all words of the corpus are spelled."""
        if not isinstance(labels, PhonemeLabels):
            return labels
        texts = [cut.supervisions[0].text for part in (self._train, self._dev, self._test) for cut in part]
        spelled = {**corpus_pronunciations(self._settings.corpus, (), texts), **labels.pronunciations}
        return PhonemeLabels(spelled, labels.phonemes)

    def _language_model(self) -> LanguageModel:
        if self._settings.language_model is not None:
            return open_language_model(Path(self._settings.language_model))
        path = self._folder / "lm.arpa.gz"
        if not path.is_file():
            self._say(News("estimating a language model from the training text"))
            estimate((cut.supervisions[0].text for cut in self._train), path)
        return open_language_model(path)

    def _search(
        self, labels: Labels, language_model: LanguageModel, settings: SearchSettings, prior: torch.Tensor
    ) -> BeamSearch:
        words = {
            word
            for part in (self._train, self._dev, self._test)
            for cut in part
            for word in cut.supervisions[0].text.split()
        }
        missing = labels.unspellable([" ".join(sorted(words))])
        if missing:
            raise DataError(
                f"{len(missing)} words of the corpus cannot be spelled in the labels of the recogniser: "
                f"{', '.join(missing)}; add their pronunciations to the dictionary of the corpus"
            )
        lexicon = Lexicon({word: labels.spellings(word) for word in sorted(words)})
        return BeamSearch(labels.symbols, lexicon, language_model, settings, prior)

    def _tuned(
        self, path: Path, recogniser: Recogniser, labels: Labels, language_model: LanguageModel
    ) -> SearchSettings:
        """Scales with the fewest errors of the float recogniser on the development split."""
        kept = self._folder / "search.json"
        key = _key(_digest(path), language_model.sha256, self._settings.beam)
        if kept.is_file():
            table = json.loads(kept.read_text(encoding="utf-8"))
            if table["key"] == key:
                return SearchSettings(**table["settings"])
        self._say(News("tuning the scales of the search on the development split"))
        found = emissions(recogniser, self._dev)
        start = SearchSettings(beam_size=self._settings.beam, token_beam=20, lm_scale=1.8, prior_scale=0.4)
        search = self._search(labels, language_model, start, _prior(found.values()))
        texts = {cut.id: cut.supervisions[0].text for cut in self._dev}
        tuning = tune(
            search,
            list(found.values()),
            [texts[name] for name in found],
            lm_scales=LM_SCALES,
            prior_scales=PRIOR_SCALES,
            progress=lambda done, most, point: self._say(
                News(
                    f"LM scale {point.lm_scale:g}, prior scale {point.prior_scale:g}: "
                    f"WER {100 * point.word_error_rate:.2f} %"
                )
            ),
        )
        points = [asdict(point) for point in tuning.points]
        write_whole(
            kept,
            json.dumps({"key": key, "settings": asdict(tuning.best), "points": points}, indent=1).encode(),
        )
        return tuning.best

    def _measured(
        self,
        system: System,
        path: Path,
        recogniser: Recogniser,
        labels: Labels,
        language_model: LanguageModel,
        tuned: SearchSettings,
    ) -> Measurement:
        hardware = None if system.kind != "chip" else self._settings.variants(system.bits or 0)[system.variant]
        key = _key(
            str(system),
            _digest(path),
            language_model.sha256,
            asdict(tuned),
            None if hardware is None else hardware.to_dict(),
            [cut.id for cut in self._test],
        )
        kept = self._folder / "systems" / f"{key[:20]}.json"
        kept.parent.mkdir(exist_ok=True)
        known = Measurement.load(kept, key)
        if known is not None:
            return known
        self._say(News(f"measuring {system}"))
        began = time.monotonic()
        # The prior is that of the digital model, for its chips too.
        search = self._search(labels, language_model, tuned, self._prior_of(path, recogniser))
        running = recogniser if hardware is None else on_chip(recogniser, hardware, system.chip, self._train)
        references = {cut.id: labels.encode(cut.supervisions[0].text) for cut in self._test}
        measurement = measure(system, running, self._test, search, references, began)
        measurement.save(kept, key)
        return measurement

    def _prior_of(self, path: Path, recogniser: Recogniser) -> torch.Tensor:
        kept = self._folder / "systems" / f"prior-{_digest(path)[:20]}.json"
        if kept.is_file():
            return torch.tensor(json.loads(kept.read_text(encoding="utf-8")), dtype=torch.float64)
        prior = _prior(emissions(recogniser, self._dev).values())
        write_whole(kept, json.dumps(prior.tolist()).encode())
        return prior


def _prior(found: Iterable[torch.Tensor]) -> torch.Tensor:
    return label_prior((frames.unsqueeze(0), torch.tensor([len(frames)])) for frames in found)


def _some(cuts: CutSet, count: int) -> CutSet:
    """So many utterances, chosen by their ids alone."""
    ordered = sorted(cuts, key=lambda cut: hashlib.sha256(cut.id.encode()).hexdigest())
    return CutSet.from_cuts(ordered[:count])


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
