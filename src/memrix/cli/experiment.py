"""`memrix experiment`: from a corpus to word error rates on chips, in one call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from memrix.asr.experiment.settings import ExperimentSettings, experiment_of
from memrix.cli.arguments import check_input
from memrix.cli.evaluate import check_evaluated, publish
from memrix.cli.options import ChartFile, Flag, JsonFile, Threads, option_of, options_from
from memrix.cli.outputs import check_folder, check_results
from memrix.cli.threads import check_threads, use_threads
from memrix.errors import SettingsError

if TYPE_CHECKING:
    from memrix.asr.experiment.run import ExperimentResult

FORMER = {"dictionary": "dictionaries", "trained": "recognizer"}

app = App(
    name="experiment",
    help="Train a recognizer, program it on chips, and compare word error rates.",
    help_format="markdown",
)


@app.default
@options_from(ExperimentSettings, former=FORMER)
def experiment(
    given: dict[str, Any],
    *,
    output: Path | None = None,
    json: JsonFile = None,
    chart: ChartFile = None,
    save_trained: Path | None = None,
    fresh: Flag = False,
    threads: Threads = None,
) -> None:
    """Repeat the experiment of arXiv 2505.24721: word error rates in float, with low-bit weights, and on chips.

    An interrupted experiment resumes where it stopped when the same command is given again. Lists are separated by
    commas.

    Parameters
    ----------
    output
        Folder of trainings and measurements. By default experiment-CORPUS-MODEL.
    save_trained
        Folder to write the recognizers, packed, and what they find words with to.
    fresh
        Measure again what earlier calls have measured. Trainings are kept.
    """
    check_results(json, chart)
    check_threads(threads)
    settings = _settings(given)
    folder = output or Path(f"experiment-{Path(settings.corpus).name}-{Path(settings.model).stem}")
    check_folder(folder)
    check_folder(save_trained)
    result = execute(settings, folder, json=json, chart=chart, fresh=fresh, threads=threads)
    if save_trained is not None:
        from memrix.asr.trained_recognizers import write_trained

        write_trained(save_trained, result.trained)


app.command(experiment, name="paper", show=False)


def _settings(given: Mapping[str, Any]) -> ExperimentSettings:
    """The experiment that was asked for: what is cheap to check is checked before torch is imported.

    Raises:
        MemrixError: input that cannot be used.
    """
    from memrix.asr.corpora.prepared import open_corpus
    from memrix.asr.trained_recognizers import open_trained

    check_evaluated(dict(given), ExperimentSettings)
    known = experiment_of(given.get("model", ExperimentSettings.model))
    recognizer, trained = given.get("recognizer"), {}
    if recognizer is not None and recognizer.endswith(".safetensors"):
        check_input("--recognizer", Path(recognizer), "a recognizer that `memrix train` wrote")
    elif recognizer is not None:
        trained = open_trained(recognizer).settings()
    # What is wrong with the options is said before the user prepares the corpus that they have not chosen.
    chosen = {**known, **trained, **given}
    if "corpus" in chosen:
        open_corpus(chosen["corpus"])
    settings = ExperimentSettings(**chosen)
    _require_used(settings, given, trained.get("weight_bits", ()))
    return settings


def execute(
    settings: ExperimentSettings,
    output: Path,
    *,
    json: Path | None,
    chart: Path | None,
    fresh: bool = False,
    threads: int | None,
) -> ExperimentResult:
    """Run an experiment with progress on stderr and the table on stdout; write what was asked for.

    Raises:
        MemrixError: input that cannot be used.
    """
    from transformers.utils.logging import disable_progress_bar

    from memrix.asr.evaluation.report import to_markdown
    from memrix.asr.experiment.run import run_experiment
    from memrix.asr.files import write_whole
    from memrix.cli.display import TerminalReporter, shown_training

    disable_progress_bar()
    use_threads(threads)
    result = run_experiment(settings, output, TerminalReporter(), shown_training, fresh=fresh)
    result.evaluation.save(output / "result.json")
    write_whole(output / "result.md", to_markdown(result.evaluation).encode())
    publish(result.evaluation, json, chart)
    return result


def _require_used(settings: ExperimentSettings, given: Collection[str], brought: Collection[float]) -> None:
    """Raise SettingsError where options tell of a training, and there is none."""
    low_bit = not set(settings.weight_bits) <= {*settings.low_bit_files, *brought}
    used = {
        "epochs": settings.recognizer is None,
        **dict.fromkeys(("low_bit_epochs", "weight_range", "weight_noise"), low_bit),
    }
    idle = [option_of(name) for name, is_used in used.items() if name in given and not is_used]
    if idle:
        raise SettingsError(
            f"{', '.join(idle)} would change nothing: these recognizers are trained already; leave out the options, "
            f"or the recognizers that are to be trained"
        )
