"""Word error rates of one recognizer in float, quantized, and on memristor chips."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

import memrix
from memrix import Hardware
from memrix.asr.corpus import Corpus, Utterance, check_audio, chosen, shorter_than, split
from memrix.asr.evaluation.batches import batch_of
from memrix.asr.evaluation.journal import Journal
from memrix.asr.evaluation.measurement import Measurement
from memrix.asr.evaluation.reporting import Reporter, SilentReporter
from memrix.asr.evaluation.results import (
    BatchRecord,
    ChipMean,
    EvaluationResult,
    Execution,
    Row,
    mean_of_chips,
    summarize,
)
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.seq2seq.model import SequenceToSequence


def evaluate(
    settings: EvaluationSettings,
    recognizer: SequenceToSequence,
    corpus: Corpus,
    *,
    low_bit: Mapping[int, SequenceToSequence] | None = None,
    calibration: Corpus | None = None,
    reporter: Reporter | None = None,
    fresh: bool = False,
) -> EvaluationResult:
    """Run the recognizer in float, quantized and on chips over the same utterances.

    Every finished batch is kept in the cache folder. The same call, interrupted and repeated, goes on where
    it stopped and ends with the same figures. More bits and more chips add to what is there.

    Args:
        settings: what to evaluate.
        recognizer: in float; it is left untouched.
        corpus: recordings and what is said in them.
        low_bit: models trained with low-bit weights, by their bits; they are left untouched, too. At other bits the
            float one is quantized.
        calibration: what to draw calibration clips from instead of the corpus, which is then evaluated as a whole.
        reporter: hears about progress.
        fresh: forget what earlier calls have measured.

    Raises:
        MemrixError: audio, model or hardware that cannot be used.
    """
    reporter = reporter or SilentReporter()
    corpus, skipped = check_audio(corpus, skip_bad=settings.skip_bad)
    for message in skipped:
        reporter.note(f"skipped: {message}")
    if settings.longest_clip is not None:
        corpus = shorter_than(corpus, settings.longest_clip)
    evaluated, held = _parts(settings, corpus, calibration)
    versions, trained = _versions(), dict(low_bit or {})
    description = _describe(settings, recognizer, trained, evaluated, held, versions)
    journal = Journal.of_run(description, fresh=fresh)
    run = _Run(settings, recognizer, trained, evaluated, held, journal, reporter)
    rows = run.rows()
    return EvaluationResult(
        rows=rows,
        model=recognizer.source,
        corpus={
            "name": corpus.name,
            "source": corpus.source,
            "fingerprint": corpus.fingerprint,
            "utterances": rows[0].utterances,
            "words": rows[0].words,
            "skipped": len(skipped),
            "skipped_because": list(skipped),
        },
        settings=settings.to_dict(),
        hardware=settings.chip.to_dict(),
        versions=versions,
        means=run.means(),
    )


class _Run:
    """One evaluation under way."""

    def __init__(
        self,
        settings: EvaluationSettings,
        recognizer: SequenceToSequence,
        low_bit: Mapping[int, SequenceToSequence],
        evaluated: Corpus,
        calibration: Corpus,
        journal: Journal,
        reporter: Reporter,
    ) -> None:
        self.settings = settings
        self.recognizer = recognizer
        self.low_bit = low_bit
        self.batches = _in_batches(evaluated.utterances, settings.batch_size)
        self.calibration = _in_batches(calibration.utterances, settings.batch_size)
        self.journal = journal
        self.reporter = reporter
        self.measurement = Measurement(recognizer, settings.seed)
        self._calibrated: nn.Module | None = None

    def rows(self) -> tuple[Row, ...]:
        executions = self.settings.executions
        done = sum(len(self.journal.batches(execution)) for execution in executions)
        if done:
            self.reporter.note(
                f"{done} of {len(executions) * len(self.batches)} batches are kept from an earlier call "
                "of this evaluation; --fresh measures them again"
            )
        untrained = [execution for execution in executions[1:] if execution.weight_bits not in self.low_bit]
        if any(map(self._missing, untrained)):
            # Before the long work: a pattern that names no layer, or bad weights, must show at once.
            self._calibrate()
        rows = []
        for execution in executions:
            self._complete(execution)
            row = summarize(execution, self._measured(execution), self._measured(executions[0]))
            self.reporter.row(execution, row)
            rows.append(row)
        return tuple(rows)

    def means(self) -> tuple[ChipMean, ...]:
        """Over the chips of each number of bits, once all of them are measured."""
        if self.settings.chips == 1:
            return ()
        baseline = self._measured(Execution("float"))
        return tuple(
            mean_of_chips(
                bits,
                [self._measured(Execution("chip", bits, chip)) for chip in range(self.settings.chips)],
                baseline,
            )
            for bits in self.settings.weight_bits
        )

    def _measured(self, execution: Execution) -> list[BatchRecord]:
        batches = self.journal.batches(execution)
        return [batches[index] for index in range(len(self.batches))]

    def _missing(self, execution: Execution) -> list[int]:
        done = self.journal.batches(execution)
        return [index for index in range(len(self.batches)) if index not in done]

    def _complete(self, execution: Execution) -> None:
        missing = self._missing(execution)
        if not missing:
            return
        model = self._build(execution)
        cells = memrix.summary(model.network).cells if execution.kind == "chip" else 0
        total = sum(map(len, self.batches))
        done = total - sum(len(self.batches[index]) for index in missing)
        with self.reporter.stage(str(execution), total) as advance:
            advance(done)
            for index in missing:
                batch = batch_of(self.recognizer, self.batches[index])
                record = self.measurement.measure(execution, model, index, batch, cells)
                self.journal.append(execution, record)
                done += len(self.batches[index])
                advance(done)

    def _build(self, execution: Execution) -> SequenceToSequence:
        if execution.kind == "float":
            return self.recognizer
        assert execution.weight_bits is not None
        trained = self.low_bit.get(execution.weight_bits)
        base = self._calibrate() if trained is None else trained.network
        hardware = self.settings.chip.replace(weight_bits=execution.weight_bits)
        if trained is not None:
            # A chip holds the integers that the network was trained with.
            known = trained.description["hardware"]
            hardware = hardware.replace(**{name: known[name] for name in ("weight_scale", "weight_range")})
        layers = self._layers(hardware)
        if execution.kind == "quantized":
            if trained is not None:
                return trained
            fake_quantized = copy.deepcopy(base)
            memrix.quantize(fake_quantized, layers)
            return self.recognizer.with_network(fake_quantized)
        if trained is not None and not all(layer.calibrated for layer in memrix.check(base, layers).layers):
            base = copy.deepcopy(base)
            self._calibrate_for(base, layers, keep_ranges=True)
        assert execution.chip is not None
        number = self.settings.seed + execution.chip
        with self.reporter.stage(f"{execution}: programming", 1) as advance:
            # The total is known only once the first cells are written, so progress goes by share.
            chip = memrix.program(
                base,
                layers,
                seed=memrix.Seeds(chip=number, programming=number),
                progress=lambda written, cells, layer: advance(written / cells),
            )
        return self.recognizer.with_network(chip)

    def _layers(self, hardware: Hardware) -> dict[str, Hardware | None]:
        return {"*": hardware, **dict.fromkeys(self.settings.digital)}

    def _calibrate(self) -> nn.Module:
        if self._calibrated is None:
            network = copy.deepcopy(self.recognizer.network)
            self._calibrate_for(network, self._layers(self.settings.chip))
            self._calibrated = network
        return self._calibrated

    def _calibrate_for(
        self, network: nn.Module, layers: Mapping[str, Hardware | None], *, keep_ranges: bool = False
    ) -> None:
        inputs = (self.recognizer.calibration_inputs(batch_of(self.recognizer, batch)) for batch in self.calibration)
        with self.reporter.stage("calibration", len(self.calibration)) as advance:
            memrix.calibrate(
                network,
                inputs,
                dict(layers),
                percentile=self.settings.percentile,
                keep_ranges=keep_ranges,
                progress=advance,
            )


def _parts(settings: EvaluationSettings, corpus: Corpus, calibration: Corpus | None) -> tuple[Corpus, Corpus]:
    """What is evaluated, and what activation ranges are calibrated on."""
    if calibration is None:
        return split(corpus, settings.limit, settings.calibration_clips, settings.seed)
    held = split(calibration, 1, settings.calibration_clips, settings.seed)[1]
    return chosen(corpus, settings.limit, settings.seed), held


def _in_batches(utterances: Sequence[Utterance], size: int) -> list[Sequence[Utterance]]:
    return [utterances[start : start + size] for start in range(0, len(utterances), size)]


def _describe(
    settings: EvaluationSettings,
    recognizer: SequenceToSequence,
    low_bit: Mapping[int, SequenceToSequence],
    evaluated: Corpus,
    calibration: Corpus,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Everything the figures of one execution depend on; bits and chips name the executions themselves."""
    return {
        "settings": {
            name: value
            for name, value in settings.to_dict().items()
            if name not in ("weight_bits", "chips", "hardware_name")
        },
        "hardware": settings.chip.to_dict(),
        "device": repr(dataclasses.asdict(settings.chip.parameters)),
        "model": recognizer.source,
        "low_bit": {str(bits): model.source for bits, model in low_bit.items()},
        "evaluated": [_identity(utterance) for utterance in evaluated.utterances],
        "calibration": [_identity(utterance) for utterance in calibration.utterances],
        "versions": dict(versions),
        "code": _code_fingerprint(),
    }


def _identity(utterance: Utterance) -> list[Any]:
    status = utterance.audio.stat()
    return [utterance.id, utterance.text, status.st_size, status.st_mtime_ns, *utterance.part]


def _versions() -> dict[str, str]:
    libraries = ("memrix", "torch", "transformers", "synaptogen")
    return {**{name: version(name) for name in libraries}, "python": platform.python_version()}


@cache
def _code_fingerprint() -> str:
    """SHA-256 over the code behind the figures: a journal of other code must not answer for this one."""
    root = Path(memrix.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        room = path.relative_to(root).parts[0]
        if room not in ("cli", "analysis"):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
