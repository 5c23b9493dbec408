"""`memrix experiment`: from a corpus to word error rates on chips, in one call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from memrix.asr.experiment.settings import ExperimentSettings
from memrix.cli.arguments import check_hardware, check_input
from memrix.cli.options import ChartFile, JsonFile, Threads, option_of, options_from
from memrix.cli.outputs import check_folder, check_results
from memrix.cli.threads import check_threads, use_threads
from memrix.errors import SettingsError

if TYPE_CHECKING:
    from memrix.asr.experiment.report import Row
    from memrix.asr.experiment.run import ExperimentResult

BY_TRAINED = ("low_bit", "search")
"""Settings that are no options: ``--trained`` brings them."""
FORMER = {"dictionary": "dictionaries"}

app = App(
    name="experiment",
    help="Train a recognizer, program it on chips, and compare word error rates.",
    help_format="markdown",
)


@app.command
@options_from(ExperimentSettings, without=BY_TRAINED, former=FORMER)
def paper(
    given: dict[str, Any],
    *,
    trained: str | None = None,
    output: Path | None = None,
    json: JsonFile = None,
    chart: ChartFile = None,
    save_trained: Path | None = None,
    threads: Threads = None,
) -> None:
    """Repeat the experiment of arXiv 2505.24721: word error rates in float, with low-bit weights, and on chips.

    An interrupted experiment resumes where it stopped when the same command is given again. Lists are separated by
    commas.

    Parameters
    ----------
    trained
        Trained recognizers, language model and tuned settings of decoding: queen-small, which comes with memrix, or a
        folder that --save-trained has written. By default they are trained, estimated and tuned.
    output
        Folder of trainings and measurements. By default experiment-CORPUS-SIZE.
    save_trained
        Folder to write the recognizers at half precision, the language model and the settings of decoding to.
    """
    check_results(json, chart)
    check_threads(threads)
    settings = _settings(given, trained)
    folder = output or Path(f"experiment-{Path(settings.corpus).name}-{settings.size}")
    check_folder(folder)
    check_folder(save_trained)
    result = execute(settings, folder, json=json, chart=chart, threads=threads)
    if save_trained is not None:
        from memrix.asr.experiment.trained import write_trained

        write_trained(save_trained, result.trained)


def _settings(given: Mapping[str, Any], trained: str | None) -> ExperimentSettings:
    """The experiment that was asked for: what is cheap to check is checked before torch is imported.

    Raises:
        MemrixError: input that cannot be used.
    """
    from memrix.asr.corpora.prepared import open_corpus

    check_hardware(*given.get("hardware", ExperimentSettings.hardware))
    for path in given.get("dictionaries", ()):
        check_input("--dictionaries", Path(path), "files of pronunciations")
    check_input("--recognizer", _path(given, "recognizer"), "a recognizer that `memrix train` wrote")
    language_models = "an ARPA file, such as one that `memrix lm estimate` wrote"
    check_input("--language-model", _path(given, "language_model"), language_models)
    known = {**_trained(trained, given), **given}
    # What is wrong with the options is said before the user prepares the corpus that they have not chosen.
    if "corpus" in given:
        open_corpus(given["corpus"])
    settings = ExperimentSettings(**known)
    _require_used(settings, given)
    return settings


def _path(given: Mapping[str, Any], name: str) -> Path | None:
    return Path(given[name]) if name in given else None


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


def _trained(name: str | None, given: Collection[str]) -> dict[str, Any]:
    """Settings that say what is trained already."""
    if name is None:
        return {}
    if "recognizer" in given or "language_model" in given:
        raise SettingsError(
            "--trained brings recognizer and language model: leave out --recognizer, --language-model"
        )
    from memrix.asr.experiment.trained import open_trained

    return open_trained(name).settings()


def _require_used(settings: ExperimentSettings, given: Collection[str]) -> None:
    """Raise SettingsError where options tell of a training, and there is none."""
    used = {
        "epochs": settings.trains_float,
        **dict.fromkeys(("low_bit_epochs", "weight_range", "weight_noise"), settings.trains_low_bit),
    }
    idle = [option_of(name) for name, is_used in used.items() if name in given and not is_used]
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
