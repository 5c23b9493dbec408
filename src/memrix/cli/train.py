"""`memrix train`: a recognizer from a corpus and one file of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memrix.cli.arguments import check_hardware, check_input
from memrix.cli.messages import message
from memrix.cli.options import Threads, options_from
from memrix.cli.outputs import check_folder
from memrix.cli.threads import check_threads, use_threads
from memrix.cli.training_options import TrainingOptions, changed
from memrix.errors import SettingsError

_RECOGNIZER = "a recognizer that `memrix train` wrote"


@options_from(TrainingOptions)
def train(
    given: dict[str, Any],
    *,
    output: Path,
    config: str | None = None,
    threads: Threads = None,
) -> None:
    """Train a speech recognizer: in float, with low-bit weights, or on a new chip at each step.

    An interrupted training resumes where it stopped when the same command is given again. For several processes, use
    `devices` in the settings, `torchrun`, or SLURM.

    Parameters
    ----------
    config
        TOML file of settings, or the name of a recipe of memrix: small, medium or paper, the sizes of the Conformer;
        whisper or whisper-low-bit; tedlium2 or librispeech, the trainings of two papers. Settings that it does not
        name keep their defaults. By default that of the model. All other options replace settings of it.
    output
        Folder for checkpoints, TensorBoard files, and model.safetensors at the end.
    """
    check_threads(threads)
    from memrix.asr.corpora.prepared import open_corpus
    from memrix.asr.recipes import read_settings

    table, source = read_settings(config or _recipe_of(given))
    if "hardware" in given:
        check_hardware(given["hardware"])
    table = changed(table, given)
    if isinstance(table.get("corpus"), str):
        open_corpus(table["corpus"])
    # torch takes seconds to import, and what trains several more: everything is checked as soon as it can be.
    from memrix.asr.training.settings import TrainingSettings

    settings = TrainingSettings.from_dict(table, source)
    open_corpus(settings.corpus)
    for path in settings.dictionaries:
        check_input("the setting dictionaries", Path(path), "files of pronunciations")
    check_input("the setting start", None if settings.start is None else Path(settings.start), _RECOGNIZER)
    check_folder(output)
    use_threads(threads)
    from memrix.asr.training.loop import train as run
    from memrix.cli.training_display import TrainingDisplay

    with TrainingDisplay() as display:
        result = run(settings, output, display.report)
    message(f"The recognizer is in {result}")


def _recipe_of(given: dict[str, Any]) -> str:
    """The recipe of a model by its name.

    Raises:
        SettingsError: nothing says what to train.
    """
    from memrix.asr.recipes import recipe_names

    model = given.get("model")
    if model is None:
        raise SettingsError("there is nothing to train; name a model (--model) or a file of settings (--config)")
    if model in recipe_names():
        return str(model)
    return "whisper-low-bit" if "weight_bits" in given else "whisper"
