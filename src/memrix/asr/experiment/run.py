"""The experiment, step by step; what is done is kept, and every step goes on where it was cut off."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from lhotse import CutSet

from memrix.archive import content_digest
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.experiment.systems import Measurement, System, measure, on_chip
from memrix.asr.experiment.trained import TrainedRecognisers, kept_search
from memrix.asr.files import read_json, write_whole
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
from memrix.errors import CheckpointError, DataError
from memrix.hardware import Hardware

LM_SCALES = (0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4, 2.8)
PRIOR_SCALES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class ExperimentResult:
    """All measurements.

    Attributes:
        settings: of the experiment.
        corpus: name of the corpus.
        trained: the recognisers, and the search, whose settings were tuned with the float one on development data.
        measurements: of every system.
    """

    settings: ExperimentSettings
    corpus: str
    trained: TrainedRecognisers
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
        DataError, CheckpointError, SettingsError, AssetError: corpus, folder, recognisers or programs that are needed
            cannot be used.
    """
    return _Experiment(settings, Path(folder), say, report).run()


@dataclass(frozen=True)
class _Digital:
    """A recogniser, and the hash of what its file holds."""

    recogniser: Recogniser
    sha256: str

    @classmethod
    def read(cls, path: Path, bits: float | None) -> _Digital:
        recogniser = load_recogniser(path)[0]
        hardware = recogniser.description.get("hardware")
        found = None if hardware is None else hardware["weight_bits"]
        if found != bits:
            wanted, got = ("in float" if number is None else f"of {number:g} bit" for number in (bits, found))
            raise CheckpointError(f"{str(path)!r} holds a recogniser {got}; expected one {wanted}")
        return cls(recogniser, content_digest(path))


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
        test = self._corpus.cuts("test", settings.part).to_eager()
        if settings.limit is not None:
            test = _some(test, settings.limit)
        self._test = test
        folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> ExperimentResult:
        settings = self._settings
        path = self._float_recogniser()
        floating = _Digital.read(path, None)
        language_model = self._language_model()
        evaluation = _Evaluation(
            self._folder,
            self._say,
            self._train,
            self._dev,
            self._test,
            self._lexicon_labels(floating.recogniser.labels),
            language_model,
        )
        tuned = settings.search or evaluation.tuned(floating, settings.beam)
        found = [evaluation.measured(System("float"), floating, None, tuned)]
        paths = []
        for bits in settings.weight_bits:
            paths.append((bits, self._coarse_recogniser(bits, path)))
            coarse = _Digital.read(paths[-1][1], bits)
            found.append(evaluation.measured(System("quantised", bits), coarse, None, tuned))
            for variant, hardware in settings.variants(bits).items():
                for chip in range(settings.chips):
                    system = System("chip", bits, variant, chip)
                    found.append(evaluation.measured(system, coarse, hardware, tuned))
        trained = TrainedRecognisers(path, tuple(paths), language_model.path, tuned)
        return ExperimentResult(settings, self._corpus.name, trained, tuple(found))

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
        self._say(f"training {name}")
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
            self._say("estimating a language model from the training text")
            estimate((cut.supervisions[0].text for cut in self._train), path)
        return open_language_model(path)


@dataclass
class _Evaluation:
    """Recognisers measured on the test split, with the same lexicon and language model; what is measured is kept.

    Attributes:
        folder: where measurements are kept.
        say: is told in words what comes next.
        train, dev, test: utterances.
        labels: the inventory, knowing how all words are spelled.
        language_model: of the search.
    """

    folder: Path
    say: Callable[[str], None]
    train: CutSet
    dev: CutSet
    test: CutSet
    labels: Labels
    language_model: LanguageModel

    def tuned(self, digital: _Digital, beam: int) -> SearchSettings:
        """Scales with the fewest errors of the float recogniser on the development split."""
        kept = self.folder / "search.json"
        key = _key(digital.sha256, self.language_model.sha256, beam)
        if kept.is_file():
            settings, known = kept_search(kept, "remove it to tune again")
            if known == key:
                return settings
        self.say("tuning the scales of the search on the development split")
        found = emissions(digital.recogniser, self.dev)
        start = SearchSettings(beam_size=beam, token_beam=20, lm_scale=1.8, prior_scale=0.4)
        texts = {cut.id: cut.supervisions[0].text for cut in self.dev}
        tuning = tune(
            self._search(start, _prior(found.values())),
            list(found.values()),
            [texts[name] for name in found],
            lm_scales=LM_SCALES,
            prior_scales=PRIOR_SCALES,
            progress=lambda done, most, point: self.say(
                f"LM scale {point.lm_scale:g}, prior scale {point.prior_scale:g}: "
                f"WER {100 * point.word_error_rate:.2f} %"
            ),
        )
        points = [asdict(point) for point in tuning.points]
        write_whole(
            kept,
            json.dumps({"key": key, "settings": asdict(tuning.best), "points": points}, indent=1).encode(),
        )
        return tuning.best

    def measured(
        self, system: System, digital: _Digital, hardware: Hardware | None, tuned: SearchSettings
    ) -> Measurement:
        """What a system makes of the test split; ``hardware`` is the chip of one that runs on a chip."""
        key = _key(
            str(system),
            digital.sha256,
            self.language_model.sha256,
            asdict(tuned),
            None if hardware is None else hardware.to_dict(),
            [cut.id for cut in self.test],
        )
        kept = self.folder / "systems" / f"{key[:20]}.json"
        kept.parent.mkdir(exist_ok=True)
        known = Measurement.load(kept, key)
        if known is not None:
            return known
        self.say(f"measuring {system}")
        began = time.monotonic()
        # The prior is that of the digital model, for its chips too.
        search = self._search(tuned, self._prior_of(digital))
        running = digital.recogniser
        if hardware is not None:
            running = on_chip(running, hardware, system.chip, self.train)
        measurement = measure(system, running, self.test, search, self._references, began)
        measurement.save(kept, key)
        return measurement

    def _search(self, settings: SearchSettings, prior: torch.Tensor) -> BeamSearch:
        return BeamSearch(self.labels.symbols, self._lexicon, self.language_model, settings, prior)

    @cached_property
    def _lexicon(self) -> Lexicon:
        words = sorted(
            {
                word
                for part in (self.train, self.dev, self.test)
                for cut in part
                for word in cut.supervisions[0].text.split()
            }
        )
        missing = self.labels.unspellable(words)
        if missing:
            raise DataError(
                f"{len(missing)} words of the corpus cannot be spelled in the labels of the recogniser: "
                f"{', '.join(missing)}; add their pronunciations to the dictionary of the corpus"
            )
        return Lexicon({word: self.labels.spellings(word) for word in words})

    @cached_property
    def _references(self) -> dict[str, list[int]]:
        return {cut.id: self.labels.encode(cut.supervisions[0].text) for cut in self.test}

    def _prior_of(self, digital: _Digital) -> torch.Tensor:
        kept = self.folder / "systems" / f"prior-{digital.sha256[:20]}.json"
        if kept.is_file():
            return _kept_prior(kept)
        prior = _prior(emissions(digital.recogniser, self.dev).values())
        write_whole(kept, json.dumps(prior.tolist()).encode())
        return prior


def _prior(found: Iterable[torch.Tensor]) -> torch.Tensor:
    return label_prior((frames.unsqueeze(0), torch.tensor([len(frames)])) for frames in found)


def _kept_prior(path: Path) -> torch.Tensor:
    remedy = "remove it to find it again"
    try:
        return torch.tensor(read_json(path, remedy), dtype=torch.float64)
    except (RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); {remedy}") from error


def _some(cuts: CutSet, count: int) -> CutSet:
    """So many utterances, chosen by their ids alone."""
    ordered = sorted(cuts, key=lambda cut: hashlib.sha256(cut.id.encode()).hexdigest())
    return CutSet.from_cuts(ordered[:count])


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
