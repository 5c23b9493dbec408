"""The experiment, step by step; what is done is kept, and every step goes on where it was cut off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.results import EvaluationResult
from memrix.asr.evaluation.run import open_and_evaluate
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.files import make_folder
from memrix.asr.trained_recognizers import TrainedRecognizers, is_trained, open_trained
from memrix.asr.training.settings import TrainingSettings
from memrix.errors import DataError
from memrix.toolkit import file_path

if TYPE_CHECKING:
    from memrix.asr.training.news import Report

TrainingReport = Callable[[], "AbstractContextManager[Report]"]
"""Shows a training for as long as it lasts; what is given back is told of every step."""


@dataclass(frozen=True)
class ExperimentResult:
    """What was trained, and what it made of the test split.

    Attributes:
        evaluation: of all of it.
        trained: the recognizers, and how they find words.
    """

    evaluation: EvaluationResult
    trained: TrainedRecognizers


def run_experiment(
    settings: ExperimentSettings,
    folder: str | Path,
    reporter: Reporter | None = None,
    training: TrainingReport = lambda: nullcontext(lambda news: None),
    *,
    fresh: bool = False,
) -> ExperimentResult:
    """Train in float and with low-bit weights, then evaluate; called again, it goes on where it stopped.

    Args:
        settings: of the experiment.
        folder: where trainings, language model and measurements are kept.
        reporter: hears about progress.
        training: shows each training.
        fresh: forget what earlier calls have measured.

    Raises:
        DataError, CheckpointError, SettingsError, AssetError: corpus, folder, recognizers or programs that are needed
            cannot be used.
    """
    place = file_path(folder, DataError, "the folder of an experiment")
    open_corpus(settings.corpus)
    make_folder(place, "for an experiment")
    reporter = reporter or Reporter()
    given = settings.recognizer
    known = open_trained(given) if given is not None and is_trained(given) else None
    trained = _trained(settings, place, known, reporter, training)
    low_bit = {bits: str(path) for bits, path in trained.low_bit}
    evaluated = settings.evaluation(given if known and given else str(trained.floating), low_bit)
    result, decoding = open_and_evaluate(evaluated, reporter, fresh=fresh, kept=place, folder=place / "measured")
    if decoding is not None:
        trained = replace(
            trained,
            language_model=decoding.language_model.path,
            search=decoding.settings,
            priors={bits: prior.tolist() for bits, prior in decoding.priors.items()},
        )
    return ExperimentResult(result, trained)


def _trained(
    settings: ExperimentSettings,
    place: Path,
    known: TrainedRecognizers | None,
    reporter: Reporter,
    training: TrainingReport,
) -> TrainedRecognizers:
    """The recognizers of an experiment: given, known from a folder, or trained now."""

    def train_now(wanted: TrainingSettings, name: str) -> Path:
        reporter.note(f"training {name}")
        # Lightning takes seconds to import: only where something is trained.
        from memrix.asr.training.loop import train

        with training() as report:
            return train(wanted, place / name, report)

    if known is not None:
        floating = known.floating
    elif settings.recognizer is not None:
        floating = Path(settings.recognizer)
    else:
        floating = train_now(settings.float_training(), "float")
    files = {bits: Path(path) for bits, path in settings.low_bit_files.items()}
    brought = {} if known is None else dict(known.low_bit)
    for bits in settings.weight_bits:
        if bits not in files:
            files[bits] = brought.get(bits) or train_now(
                settings.low_bit_training(bits, str(floating)), _folder_of(bits, place)
            )
    return TrainedRecognizers(floating, tuple(sorted(files.items(), reverse=True)))


def _folder_of(bits: float, place: Path) -> str:
    """The folder of a training; an experiment that an earlier version began goes on in its own."""
    former = f"coarse-{bits:g}"
    return former if (place / former).is_dir() else f"low-bit-{bits:g}"
