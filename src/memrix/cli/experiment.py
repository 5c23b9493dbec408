"""`memrix experiment`: from a corpus to word error rates on chips, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from memrix.cli.arguments import check_counts, check_hardware, check_input
from memrix.cli.outputs import CHART_FORMATS, check_distinct, check_folder, check_output
from memrix.cli.threads import check_threads, use_threads
from memrix.errors import SettingsError

if TYPE_CHECKING:
    from memrix.asr.experiment.report import Row
    from memrix.asr.experiment.run import ExperimentResult
    from memrix.asr.experiment.settings import ExperimentSettings

DEFAULT_CORPUS = "queen"

app = App(name="experiment", help="Train a recognizer, program it on chips, and compare word error rates.")


@app.command
def paper(
    *,
    size: str = "small",
    corpus: str = DEFAULT_CORPUS,
    dictionary: list[Path] | None = None,
    weight_bits: str | None = None,
    hardware: str = "paper",
    chips: int = 5,
    adc: str = "",
    wear: str = "",
    epochs: int | None = None,
    coarse_epochs: str | None = None,
    weight_range: str | None = None,
    weight_noise: float | None = None,
    recognizer: Path | None = None,
    language_model: Path | None = None,
    trained: str | None = None,
    part: str | None = None,
    limit: int | None = None,
    beam: int | None = None,
    output: Path | None = None,
    json: Path | None = None,
    chart: Path | None = None,
    save_trained: Path | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> None:
    """Repeat the experiment of arXiv 2505.24721: float, coarse weights, chips, word error rates.

    Interrupted or killed, the same command goes on where it stopped; what was done is not done again.

    Parameters
    ----------
    size
        Of the Conformer: small (3 million parameters), medium (13) or paper (42).
    corpus
        One that `memrix corpus prepare` has prepared, by its name or folder.
    dictionary
        File with pronunciations of words that the dictionaries of the corpus lack; may be given several times.
    weight_bits
        Numbers of bits, separated by commas; 1.5 for ternary weights, which those of 2 bits are, too. By default
        8,6,5,4,3,2, or those that are trained already.
    hardware
        Chips: presets (paper, physical, tuned, ideal) or files, separated by commas. Training knows the first one;
        scale and range of weights are on all of them those of the training.
    chips
        How many to program of each kind.
    adc
        Splits of the converters' bits, precision/range, separated by commas: 8/8,6/6,4/4,2/2.
    wear
        Cycles of wear before programming, separated by commas.
    epochs
        Of the training in float; by default those of the recipe.
    coarse_epochs
        Of the trainings with coarse weights: one number for all, or one for each number of bits, separated by commas;
        10 by default.
    weight_range
        In these trainings: abs-max (the largest weight is the largest integer) or mean-square-error (weights are
        clipped where that errs least, which helps at 3 bits and below); by default that of the hardware.
    weight_noise
        Noise on weights in these trainings, as a share of full scale; none by default.
    recognizer
        A float recognizer in place of training one.
    language_model
        ARPA file, in place of estimating a 4-gram model from the training text.
    trained
        Recognizers, language model and settings of the search, in place of training, estimating and tuning:
        queen-small, which memrix brings, or a folder that --save-trained has written.
    part
        Of the test split to evaluate, such as test-other of LibriSpeech; the whole split by default.
    limit
        Utterances of that to evaluate; all of them by default.
    beam
        Hypotheses that the search keeps: 100 by default, or what was tuned with the trained recognizers.
    output
        Folder of trainings and measurements; experiment-CORPUS-SIZE by default.
    json
        Write all figures there.
    chart
        Draw word error rates over bits: PNG, SVG or PDF.
    save_trained
        Folder to write recognizers at half precision, language model and settings of the search to.
    seed
        Of training, and of the first chip; the others have those that follow.
    threads
        Threads that torch computes with.
    """
    from memrix._support.records import closest
    from memrix.asr.corpora.prepared import open_corpus
    from memrix.asr.recipes import recipe_names

    check_output(json)
    check_output(chart, CHART_FORMATS)
    check_distinct(json, chart)
    check_threads(threads)
    check_counts(chips=chips, limit=limit, beam=beam, epochs=epochs)
    check_hardware(*_parts(hardware))
    for path in dictionary or ():
        check_input("--dictionary", path, "files of pronunciations")
    check_input("--recognizer", recognizer, "a recognizer that `memrix train` wrote")
    check_input("--language-model", language_model, "an ARPA file, such as one that `memrix lm estimate` wrote")
    bits = None if weight_bits is None else _numbers("--weight-bits", weight_bits)
    cycles = _whole_numbers("--wear", wear)
    training = {
        "epochs": epochs,
        "coarse_epochs": None if coarse_epochs is None else _whole_numbers("--coarse-epochs", coarse_epochs),
        "weight_range": weight_range,
        "weight_noise": weight_noise,
    }
    if size not in recipe_names():
        raise SettingsError(
            f"--size must be one of {', '.join(recipe_names())}, got {size!r}{closest(size, recipe_names())}"
        )
    given = _trained(trained, recognizer, language_model)
    if corpus != DEFAULT_CORPUS:
        open_corpus(corpus)
    # torch takes seconds to import: what can be known before is said before.
    from memrix.asr.experiment.settings import ExperimentSettings

    if bits is not None:
        given["weight_bits"] = bits
    given |= {name: value for name, value in training.items() if value is not None}
    settings = ExperimentSettings(
        corpus=corpus,
        dictionaries=tuple(map(str, dictionary or ())),
        size=size,
        hardware=_parts(hardware),
        chips=chips,
        adc=_parts(adc),
        wear=cycles,
        part=part,
        limit=limit,
        beam=beam,
        seed=seed,
        **given,
    )
    _require_used(settings, training)
    folder = output or Path(f"experiment-{Path(corpus).name}-{size}")
    check_folder(folder)
    check_folder(save_trained)
    open_corpus(corpus)
    result = execute(settings, folder, json=json, chart=chart, threads=threads)
    if save_trained is not None:
        from memrix.asr.experiment.trained import write_trained

        write_trained(save_trained, result.trained)


def execute(
    settings: ExperimentSettings, output: Path, *, json: Path | None, chart: Path | None, threads: int | None
) -> ExperimentResult:
    """Run an experiment with progress on stderr and the table on stdout; write what was asked for.

    Raises:
        MemrixError: input that cannot be used.
    """
    import json as notation

    from memrix.asr.charts.experiment import wer_over_bits_of_experiment
    from memrix.asr.experiment.report import rows_of, to_json, to_markdown
    from memrix.asr.experiment.run import run_experiment
    from memrix.asr.files import write_whole
    from memrix.cli.messages import message
    from memrix.cli.training_display import TrainingDisplay

    use_threads(threads)
    with TrainingDisplay() as display:
        result = run_experiment(settings, output, message, display.report)
    table = to_json(result)
    text = notation.dumps(table, indent=2).encode()
    write_whole(output / "result.json", text)
    if json is not None:
        write_whole(json, text)
    if chart is not None:
        wer_over_bits_of_experiment(table, chart)
    write_whole(output / "result.md", to_markdown(result).encode())
    _print(rows_of(result), table)
    return result


def _trained(name: str | None, recognizer: Path | None, language_model: Path | None) -> dict[str, Any]:
    """Settings that say what is trained already."""
    if name is None:
        given = {"recognizer": recognizer, "language_model": language_model}
        return {key: None if path is None else str(path) for key, path in given.items()}
    if recognizer is not None or language_model is not None:
        raise SettingsError(
            "--trained brings recognizer and language model: leave out --recognizer, --language-model"
        )
    from memrix.asr.experiment.trained import open_trained

    return open_trained(name).settings()


def _require_used(settings: ExperimentSettings, training: Mapping[str, object]) -> None:
    """Raise SettingsError where options tell of a training, and there is none."""
    idle = [
        "--" + name.replace("_", "-")
        for name, value in training.items()
        if value is not None and not (settings.trains_float if name == "epochs" else settings.trains_coarse)
    ]
    if idle:
        raise SettingsError(
            f"{', '.join(idle)} would change nothing: these recognizers are trained already; leave out the options, "
            f"or the recognizers that are to be trained"
        )


def _print(rows: list[Row], result: Mapping[str, Any]) -> None:
    from memrix.asr.experiment.report import HEAD, cells_of
    from memrix.asr.scoring import INTERVALS_NOTE
    from memrix.cli.tables import plain_table, print_whole

    table = plain_table(
        "{corpus}, {part}: {utterances} utterances, {words} words; all rates in %".format(**result),
        "sd, min and max: over chips. label errors: by greedy search. over float, over quantized: relative "
        f"difference of WER, with its paired interval. {INTERVALS_NOTE}",
    )
    table.add_column(HEAD[0], no_wrap=True)
    for name in HEAD[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*cells_of(row))
    print_whole(table)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        numbers = [float(part) for part in _parts(text)]
    except ValueError as error:
        raise SettingsError(f"{option} takes numbers separated by commas, got {text!r}") from error
    return tuple(int(number) if number.is_integer() else number for number in numbers)


def _whole_numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in _parts(text))
    except ValueError as error:
        raise SettingsError(f"{option} takes whole numbers separated by commas, got {text!r}") from error
