"""`memrix evaluate`: word error rates in float, quantized, and on memristor chips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.cli.arguments import check_hardware
from memrix.cli.options import ChartFile, Flag, JsonFile, Threads, options_from
from memrix.cli.outputs import check_results
from memrix.cli.threads import check_threads, use_threads

if TYPE_CHECKING:
    from memrix.asr.corpus import Corpus
    from memrix.asr.evaluation.results import EvaluationResult


@options_from(EvaluationSettings)
def evaluate(
    given: dict[str, Any],
    *,
    json: JsonFile = None,
    chart: ChartFile = None,
    fresh: Flag = False,
    threads: Threads = None,
) -> None:
    """Compare a pretrained speech recognizer in float, quantized, and on memristor chips.

    Prints word error rates and finer measures of the degradation. An interrupted evaluation resumes where it stopped
    when the same command is given again; more bits and more chips add to its results. Lists are separated by commas.

    Parameters
    ----------
    fresh
        Discard the results of earlier calls.
    """
    check_results(json, chart)
    check_threads(threads)
    check_hardware(given.get("hardware", EvaluationSettings.hardware))

    from memrix.asr.corpora.catalog import require_corpus

    require_corpus(given.get("corpus", EvaluationSettings.corpus))
    execute(EvaluationSettings(**given), json=json, chart=chart, fresh=fresh, threads=threads)


def execute(
    settings: EvaluationSettings,
    *,
    json: Path | None,
    chart: Path | None,
    fresh: bool = False,
    threads: int | None = None,
) -> EvaluationResult:
    """Evaluate with progress on stderr and the table on stdout; write what was asked for.

    Raises:
        MemrixError: input that cannot be used.
    """
    check_threads(threads)

    from memrix.cli.display import TerminalReporter, print_result

    reporter = TerminalReporter()
    corpus = load_named_corpus(settings.corpus)
    with reporter.stage("loading", 1) as advance:
        from transformers.utils.logging import disable_progress_bar

        from memrix.asr.evaluation.run import evaluate as evaluate_recognizer
        from memrix.asr.seq2seq.pretrained import load_low_bit, load_seq2seq

        disable_progress_bar()
        use_threads(threads)
        recognizer, low_bit = load_seq2seq(settings.model), load_low_bit(settings.low_bit_files)
        advance(1)
    held = None
    if settings.calibration_split is not None:
        held = load_named_corpus(settings.corpus, settings.calibration_split)
    parts: dict[str, Any] = {"low_bit": low_bit, "calibration": held}
    result = evaluate_recognizer(settings, recognizer, corpus, reporter=reporter, fresh=fresh, **parts)
    print_result(result)
    if json is not None:
        result.save(json)
        reporter.note(f"figures: {json}")
    if chart is not None:
        from memrix.asr.charts.wer_over_bits import wer_over_bits

        wer_over_bits(result.to_dict(), chart)
        reporter.note(f"chart: {chart}")
    return result


def load_named_corpus(name_or_path: str, part: str = "test") -> Corpus:
    """The corpus to evaluate; progress on stderr, as one that is fetched is prepared first.

    Raises:
        MemrixError: there is no such corpus, or it cannot be used.
    """
    from memrix.asr.corpora.catalog import load_corpus
    from memrix.cli.corpus import progress_bar

    with progress_bar(f"corpus {name_or_path}") as progress:
        return load_corpus(name_or_path, progress, part)
