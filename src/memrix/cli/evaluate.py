"""`memrix evaluate`: word error rates in float, quantized, and on memristor chips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.cli.arguments import check_hardware, check_input
from memrix.cli.options import ChartFile, Flag, JsonFile, Threads, TrnFile, options_from
from memrix.cli.outputs import check_distinct, check_output, check_results
from memrix.cli.threads import check_threads, use_threads

if TYPE_CHECKING:
    from memrix.asr.evaluation.results import EvaluationResult


@options_from(EvaluationSettings)
def evaluate(
    given: dict[str, Any],
    *,
    json: JsonFile = None,
    chart: ChartFile = None,
    errors: Path | None = None,
    trn: TrnFile = None,
    fresh: Flag = False,
    threads: Threads = None,
) -> None:
    """Compare a speech recognizer in float, quantized, and on memristor chips.

    Prints word error rates and finer measures of the degradation. An interrupted evaluation resumes where it stopped
    when the same command is given again; more bits, hardware and chips add to its results. Lists are separated by
    commas.

    Parameters
    ----------
    errors
        Text file to write all errors to: transcripts aligned with references, those with most errors first. Of
        several executions, each gets its own file.
    fresh
        Discard the results of earlier calls.
    """
    check_results(json, chart)
    for path in (errors, trn):
        check_output(path)
    check_distinct(json, chart, errors, trn)
    check_threads(threads)
    check_evaluated(given, EvaluationSettings)

    from memrix.asr.corpora.catalog import require_corpus
    from memrix.asr.trained_recognizers import is_trained, open_trained

    require_corpus(given.get("corpus", EvaluationSettings.corpus))
    model = given.get("model", EvaluationSettings.model)
    if is_trained(model) and (bits := open_trained(model).settings()["weight_bits"]):
        given = {"weight_bits": bits, **given}
    result = execute(EvaluationSettings(**given), json=json, chart=chart, fresh=fresh, threads=threads)
    _write_transcripts(result, errors, trn)


def _write_transcripts(result: EvaluationResult, errors: Path | None, trn: Path | None) -> None:
    from memrix.asr.evaluation.errors import write_error_reports, write_trn
    from memrix.cli.messages import message

    for what, path, write in (("errors", errors, write_error_reports), ("for sclite", trn, write_trn)):
        if path is not None:
            message(f"{what}: {', '.join(map(str, write(result.transcripts, path)))}")


def check_evaluated(given: dict[str, Any], settings: type[EvaluationSettings]) -> None:
    """What is cheap to check is checked before torch is imported.

    Raises:
        MemrixError: a chip or a file that cannot be used.
    """
    check_hardware(*given.get("hardware", settings.hardware))
    for path in given.get("dictionaries", ()):
        check_input("--dictionaries", Path(path), "files of pronunciations")
    model = Path(given["language_model"]) if "language_model" in given else None
    check_input("--language-model", model, "an ARPA file, such as one that `memrix lm estimate` wrote")


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

    from transformers.utils.logging import disable_progress_bar

    from memrix.asr.evaluation.run import open_and_evaluate
    from memrix.cli.display import TerminalReporter

    reporter = TerminalReporter()
    disable_progress_bar()
    use_threads(threads)
    result, _ = open_and_evaluate(settings, reporter, fresh=fresh)
    publish(result, json, chart)
    return result


def publish(result: EvaluationResult, json: Path | None, chart: Path | None) -> None:
    """Print the table of an evaluation, and write figures and chart where they are asked for.

    Raises:
        DataError: they cannot be written.
    """
    from memrix.cli.display import print_result
    from memrix.cli.messages import message

    print_result(result)
    if json is not None:
        result.save(json)
        message(f"figures: {json}")
    if chart is not None:
        from memrix.asr.charts.wer_over_bits import wer_over_bits

        wer_over_bits(result.to_dict(), chart)
        message(f"chart: {chart}")
