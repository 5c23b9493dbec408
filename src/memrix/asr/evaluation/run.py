"""Word error rates of one recognizer in float, quantized, and on memristor chips."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import memrix
from memrix.asr.corpus import Corpus, Utterance, check_audio, chosen, shorter_than, split
from memrix.asr.evaluation.batches import batch_of, in_batches, joined
from memrix.asr.evaluation.building import Networks
from memrix.asr.evaluation.costs import keep_costs, kept_costs
from memrix.asr.evaluation.measurement import Measurement
from memrix.asr.evaluation.opening import open_evaluation
from memrix.asr.evaluation.records import BatchRecord, Execution
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.results import EvaluationResult, Row, Transcript, summarize, transcripts_of
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.files import cache_dir, make_folder, write_whole
from memrix.asr.journal import Journal
from memrix.asr.kept import hash_of
from memrix.asr.provenance import chip_description, code_fingerprint, versions
from memrix.asr.search.decoding import Decoding
from memrix.asr.speech_model import SpeechModel

_ELSEWHERE = {
    *("model", "corpus", "hardware", "weight_bits", "low_bit", "chips", "adc", "pre_cycles", "digital"),
    "costs",
    *("language_model", "dictionaries", "beam"),
}
"""Settings that say which executions there are, or whose content is described besides."""


def evaluate(
    settings: EvaluationSettings,
    recognizer: SpeechModel,
    corpus: Corpus,
    *,
    low_bit: Mapping[float, SpeechModel] | None = None,
    calibration: Corpus | None = None,
    reporter: Reporter | None = None,
    fresh: bool = False,
    folder: Path | None = None,
) -> EvaluationResult:
    """Run the recognizer in float, quantized and on chips over the same utterances.

    Every finished batch is kept. The same call, interrupted and repeated, goes on where it stopped and ends with the
    same figures. More bits, more hardware and more chips add to what is there.

    Args:
        settings: what to evaluate.
        recognizer: in float; it is left untouched. It knows how to find words, if it does not write them.
        corpus: recordings and what is said in them.
        low_bit: models trained with low-bit weights, by their bits; they are left untouched, too. At other bits the
            float one is quantized.
        calibration: what to draw calibration clips from instead of the corpus, which is then evaluated as a whole.
        reporter: hears about progress.
        fresh: forget what earlier calls have measured.
        folder: where batches are kept. By default in the cache folder.

    Raises:
        MemrixError: audio, model or hardware that cannot be used.
    """
    reporter = reporter or Reporter()
    corpus, skipped = check_audio(corpus, skip_bad=settings.skip_bad, longest_seconds=recognizer.longest_seconds)
    for message in skipped:
        reporter.note(f"skipped: {message}")
    if settings.longest_clip is not None:
        corpus = shorter_than(corpus, settings.longest_clip)
    evaluated, held = _parts(settings, corpus, calibration)
    trained, decoding = dict(low_bit or {}), recognizer.words_by
    described = _described(settings, recognizer, evaluated, held)
    run = _Run(settings, recognizer, trained, evaluated, held, described, reporter, folder, fresh=fresh)
    rows = run.rows()
    return EvaluationResult(
        rows=rows,
        summary=run.summary(rows),
        model=recognizer.source,
        corpus=_evaluated(corpus, rows[0], skipped),
        settings={**settings.to_dict(), "digital": described["digital"]},
        hardware={name: chip.to_dict() for name, chip in settings.variants(settings.weight_bits[0]).items()},
        versions=described["versions"],
        low_bit={f"{bits:g}": model.source for bits, model in trained.items()},
        decoding=None if decoding is None else decoding.to_dict(),
        transcripts=run.transcripts(),
    )


def open_and_evaluate(
    settings: EvaluationSettings,
    reporter: Reporter,
    *,
    fresh: bool = False,
    kept: Path | None = None,
    folder: Path | None = None,
) -> tuple[EvaluationResult, Decoding | None]:
    """Evaluate what settings name, and how its recognizers found words.

    Args:
        settings: what to evaluate.
        reporter: hears about progress.
        fresh: as for ``evaluate``.
        kept: as ``folder`` of ``open_evaluation``.
        folder: as for ``evaluate``.

    Raises:
        MemrixError: something cannot be used.
    """
    opened = open_evaluation(settings, reporter, kept)
    result = evaluate(settings, **opened._asdict(), reporter=reporter, fresh=fresh, folder=folder)
    return result, opened.recognizer.words_by


class _Run:
    """One evaluation under way."""

    def __init__(
        self,
        settings: EvaluationSettings,
        recognizer: SpeechModel,
        low_bit: Mapping[float, SpeechModel],
        evaluated: Corpus,
        calibration: Corpus,
        described: Mapping[str, Any],
        reporter: Reporter,
        folder: Path | None,
        *,
        fresh: bool,
    ) -> None:
        self.settings = settings
        self.recognizer = recognizer
        clips, calibrated = (
            joined(recognizer, corpus.utterances) if settings.join else corpus.utterances
            for corpus in (evaluated, calibration)
        )
        self.batches = in_batches(recognizer, clips, settings.batch_size)
        held = in_batches(recognizer, calibrated, settings.batch_size)
        self.networks = Networks(settings, recognizer, low_bit, held, reporter)
        self.described = described
        self.reporter = reporter
        self.measurement = Measurement(recognizer, settings.seed)
        self.folder = (folder or cache_dir() / "runs") / hash_of(described)[:40]
        make_folder(self.folder)
        write_whole(self.folder / "description.json", json.dumps(described, indent=2, ensure_ascii=False).encode())
        self.journals = {
            execution: Journal(self._journal(execution), BatchRecord, fresh=fresh)
            for execution in settings.executions
        }
        self.counted = [utterance for batch in self.batches for utterance in batch][: settings.costs or 0]

    def rows(self) -> tuple[Row, ...]:
        done = sum(len(journal.batches) for journal in self.journals.values())
        if done:
            self.reporter.note(
                f"{done} of {len(self.journals) * len(self.batches)} batches are kept from an earlier call "
                "of this evaluation; --fresh measures them again"
            )
        for execution in self.journals:
            # Before the long work: a pattern that names no layer, or bad weights, must show at once.
            if self._missing(execution) and self.networks.prepare(execution) is not None:
                break
        rows = []
        for execution in self.journals:
            self._complete(execution)
            rows.append(self._row([execution]))
            self.reporter.row(execution, rows[-1])
        return tuple(rows)

    def summary(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """Rows of digital networks, and of the mean over the chips of each kind."""
        kinds: dict[tuple[object, ...], list[Execution]] = {}
        for execution in self.journals:
            kinds.setdefault((execution.kind, execution.weight_bits, execution.hardware), []).append(execution)
        alone = dict(zip(self.journals, rows, strict=True))
        return tuple(self._row(chips) if len(chips) > 1 else alone[chips[0]] for chips in kinds.values())

    def transcripts(self) -> tuple[Transcript, ...]:
        """What each execution heard."""
        return transcripts_of({execution: self._measured(execution) for execution in self.journals})

    def _row(self, chips: list[Execution]) -> Row:
        first = chips[0]
        quantized = Execution("quantized", first.weight_bits)
        costs = kept_costs(self._costs(first)) if self._is_counted(first) else None
        row = summarize(
            first,
            [self._measured(execution) for execution in chips],
            self._measured(Execution("float")),
            self._measured(quantized) if first.kind == "chip" else None,
        )
        return dataclasses.replace(row, costs=costs)

    def _is_counted(self, execution: Execution) -> bool:
        return bool(self.counted) and execution.chip == 0

    def _costs(self, execution: Execution) -> Path:
        return self._journal(execution).with_suffix(f".costs-{len(self.counted)}.json")

    def _journal(self, execution: Execution) -> Path:
        """The file of an execution: another one for another network, chip or seed."""
        chip = chip_description(self.networks.hardware(execution))
        content = hash_of(self.networks.model_of(execution).source, dataclasses.asdict(execution), chip)
        return self.folder / f"{content[:40]}.jsonl"

    def _measured(self, execution: Execution) -> list[BatchRecord]:
        kept = self.journals[execution].batches
        return [kept[index] for index in range(len(self.batches))]

    def _missing(self, execution: Execution) -> list[int]:
        done = self.journals[execution].batches
        return [index for index in range(len(self.batches)) if index not in done]

    def _complete(self, execution: Execution) -> None:
        missing = self._missing(execution)
        uncounted = self._is_counted(execution) and kept_costs(self._costs(execution)) is None
        if not (missing or uncounted):
            return
        model = self.networks.build(execution)
        if uncounted:
            with self.reporter.stage(f"{execution}: counting costs", 1):
                keep_costs(self._costs(execution), model, self.counted)
        cells = memrix.summary(model.network).cells if execution.kind == "chip" else 0
        total = sum(map(len, self.batches))
        done = total - sum(len(self.batches[index]) for index in missing)
        with self.reporter.stage(str(execution), total) as advance:
            advance(done)
            for index in missing:
                batch = batch_of(self.recognizer, self.batches[index])
                self.journals[execution].append(self.measurement.measure(execution, model, index, batch, cells))
                done += len(self.batches[index])
                advance(done)


def _parts(settings: EvaluationSettings, corpus: Corpus, calibration: Corpus | None) -> tuple[Corpus, Corpus]:
    """What is evaluated, and what activation ranges are calibrated on."""
    if calibration is None:
        return split(corpus, settings.limit, settings.calibration_clips, settings.seed)
    clips = min(settings.calibration_clips, len(calibration.utterances))
    return chosen(corpus, settings.limit, settings.seed), chosen(calibration, clips, settings.seed)


def _described(
    settings: EvaluationSettings, recognizer: SpeechModel, evaluated: Corpus, held: Corpus
) -> dict[str, Any]:
    """What all figures of an evaluation depend on; what each depends on besides is in the name of its journal."""
    return {
        "settings": {name: value for name, value in settings.to_dict().items() if name not in _ELSEWHERE},
        "evaluated": [_identity(utterance) for utterance in evaluated.utterances],
        "calibration": [_identity(utterance) for utterance in held.utterances],
        "versions": versions(),
        "code": code_fingerprint(),
        "digital": list(settings.digital if settings.digital is not None else recognizer.digital_layers),
        "decoding": recognizer.words_by and recognizer.words_by.fingerprint,
    }


def _evaluated(corpus: Corpus, row: Row, skipped: Sequence[str]) -> dict[str, Any]:
    """What was evaluated, as a result says it."""
    return {
        "name": corpus.name,
        "source": corpus.source,
        "fingerprint": corpus.fingerprint,
        "utterances": row.utterances,
        "words": row.words,
        "skipped": len(skipped),
        "skipped_because": list(skipped),
    }


def _identity(utterance: Utterance) -> list[Any]:
    status = utterance.audio.stat()
    return [utterance.id, utterance.text, status.st_size, status.st_mtime_ns, *utterance.part]
