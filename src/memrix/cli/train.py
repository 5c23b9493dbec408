"""`memrix train`: a recognizer from a corpus and one file of settings."""

from __future__ import annotations

from pathlib import Path

from memrix.cli.arguments import check_input
from memrix.cli.messages import message
from memrix.cli.options import Threads
from memrix.cli.outputs import check_folder
from memrix.cli.threads import check_threads, use_threads

_RECOGNIZER = "a recognizer that `memrix train` wrote"


def train(
    *,
    config: str,
    output: Path,
    threads: Threads = None,
) -> None:
    """Train a speech recognizer: in float, with low-bit weights, or on a new chip at each step.

    An interrupted training resumes where it stopped when the same command is given again. For several processes, use
    `devices` in the settings, `torchrun`, or SLURM.

    Parameters
    ----------
    config
        TOML file of settings, or the name of a recipe of memrix: small, medium or paper, the sizes of the Conformer.
        Settings that it does not name keep their defaults.
    output
        Folder for checkpoints, TensorBoard files, and model.safetensors at the end.
    """
    check_threads(threads)
    from memrix.asr.corpora.prepared import open_corpus
    from memrix.asr.recipes import read_settings

    table, source = read_settings(config)
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
