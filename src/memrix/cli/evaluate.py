"""`memrix evaluate`: word error rates in float, quantized, and on memristor chips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from memrix.cli.arguments import check_counts, check_hardware
from memrix.cli.outputs import CHART_FORMATS, check_distinct, check_output
from memrix.cli.threads import check_threads, use_threads
from memrix.errors import SettingsError

if TYPE_CHECKING:
    from memrix.asr.corpus import Corpus
    from memrix.asr.whisper.results import EvaluationResult
    from memrix.asr.whisper.settings import EvaluationSettings


def evaluate(
    *,
    model: str = "whisper-tiny.en",
    corpus: str = "asterisk",
    weight_bits: str = "8,6,5,4",
    hardware: str = "paper",
    chips: int = 1,
    limit: int | None = None,
    json: Path | None = None,
    chart: Path | None = None,
    seed: int = 0,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    batch_size: int = 8,
    calibration_clips: int = 8,
    percentile: float = 99.99,
    longest_clip: float | None = None,
    digital: Annotated[tuple[str, ...] | None, Parameter(negative="")] = None,
    fresh: Annotated[bool, Parameter(negative="")] = False,
    threads: int | None = None,
) -> None:
    """Compare a speech recognizer in float, quantized, and on memristor chips.

    Prints word error rates and smoother measures of what is lost. Interrupted, it keeps what is done and
    goes on at the next call; more bits and more chips add to what is there.

    Parameters
    ----------
    model
        whisper-tiny.en, a Whisper model of the Hugging Face hub, or a folder that holds one.
    corpus
        asterisk, queen, another prepared corpus (its split test), a folder of audio and text files, or a manifest:
        JSON lines with `audio` and `text`.
    weight_bits
        Whole numbers of at least 2, separated by commas.
    hardware
        The chip: a preset (paper, physical, tuned, ideal) or a TOML or JSON file.
    chips
        Chips to program at each number of bits.
    limit
        Utterances to evaluate; all of the corpus by default.
    json
        File for rows, settings and versions.
    chart
        File for a chart of the word error rates: PNG, SVG or PDF.
    seed
        Draws the utterances and the noise; chip c is programmed with seed + c.
    skip_bad
        Leave out audio files that cannot be read, and count them.
    batch_size
        Utterances that run together.
    calibration_clips
        Utterances that activation ranges are taken from; they are not evaluated.
    percentile
        Of the magnitudes of a layer's inputs: its activation range. 100 is the largest, as in the paper.
    longest_clip
        Leave out longer recordings, in seconds.
    digital
        Pattern of layers that stay digital; may be repeated. By default Whisper's front end and output layer,
        model.encoder.conv* and proj_out, as in the paper; an empty pattern puts all layers on the chip.
    fresh
        Forget what earlier calls have measured.
    threads
        CPU threads; PyTorch's own choice by default.
    """
    bits = parse_weight_bits(weight_bits)
    check_output(json)
    check_output(chart, CHART_FORMATS)
    check_distinct(json, chart)
    check_counts(chips=chips, limit=limit, batch_size=batch_size, calibration_clips=calibration_clips)
    check_threads(threads)
    check_hardware(hardware)

    from memrix.asr.corpora.catalog import require_corpus

    require_corpus(corpus)

    from memrix.asr.whisper.settings import WHISPER_DIGITAL, EvaluationSettings
    from memrix.hardware import Hardware

    settings = EvaluationSettings(
        model=model,
        corpus=corpus,
        hardware=Hardware.named(hardware),
        hardware_name=hardware,
        weight_bits=bits,
        chips=chips,
        limit=limit,
        calibration_clips=calibration_clips,
        percentile=percentile,
        longest_clip=longest_clip,
        batch_size=batch_size,
        seed=seed,
        skip_bad=skip_bad,
        digital=WHISPER_DIGITAL if digital is None else tuple(filter(None, digital)),
    )
    execute(settings, json=json, chart=chart, fresh=fresh, threads=threads)


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

        from memrix.asr.whisper.evaluation import evaluate as evaluate_recognizer
        from memrix.asr.whisper.recognizer import load_recognizer

        disable_progress_bar()
        use_threads(threads)
        recognizer = load_recognizer(settings.model)
        advance(1)
    result = evaluate_recognizer(settings, recognizer, corpus, reporter=reporter, fresh=fresh)
    print_result(result)
    if json is not None:
        result.save(json)
        reporter.note(f"figures: {json}")
    if chart is not None:
        from memrix.asr.charts.wer_over_bits import wer_over_bits

        wer_over_bits(result.to_dict(), chart)
        reporter.note(f"chart: {chart}")
    return result


def load_named_corpus(name_or_path: str) -> Corpus:
    """The corpus to evaluate; progress on stderr, as one that is fetched is prepared first.

    Raises:
        MemrixError: there is no such corpus, or it cannot be used.
    """
    from memrix.asr.corpora.catalog import load_corpus
    from memrix.cli.corpus import progress_bar

    with progress_bar(f"corpus {name_or_path}") as progress:
        return load_corpus(name_or_path, progress)


def parse_weight_bits(text: str) -> tuple[int, ...]:
    """Numbers of bits from a list such as ``8,6,5,4``.

    Raises:
        SettingsError: anything else than whole numbers of at least 2, separated by commas.
    """
    parts = [part.strip() for part in text.split(",")]
    # Two digits are more than any chip takes, and Python turns no more than some thousand into a number.
    if not all(part.isascii() and part.isdigit() and len(part) <= 2 and int(part) >= 2 for part in parts):
        raise SettingsError(
            f"--weight-bits takes whole numbers of at least 2, separated by commas, got {text!r}; try 8,6,5,4"
        )
    return tuple(int(part) for part in parts)
