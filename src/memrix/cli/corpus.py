"""`memrix corpus`: corpora for training, prepared once, and what is in them."""

from __future__ import annotations

import json as json_format
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from memrix.cli.messages import message
from memrix.cli.options import Flag
from memrix.cli.outputs import check_output
from memrix.errors import AssetError

if TYPE_CHECKING:
    from memrix.asr.corpora.prepared import PreparedCorpus

_MISSING = "-"

app = App(
    name="corpus",
    help="Prepare corpora of transcribed speech, and show their statistics.",
    help_format="markdown",
)


@app.command
def prepare(
    name: str,
    *,
    source: Path | None = None,
    output: Path | None = None,
    format: str | None = None,
    skip_bad: Flag = False,
) -> None:
    """Prepare a corpus: manifests with fixed splits, audio at 16 kHz.

    An interrupted preparation resumes where it stopped when the same command is given again. A corpus that is already
    prepared is left unchanged.

    Parameters
    ----------
    name
        queen or asterisk, which are downloaded; tedlium2 or librispeech, from your own copy; or any other name for
        your own corpus.
    source
        Folder of your copy: `TEDLIUM_release2`, `LibriSpeech`, the folder of `queen.1c`, or the folder or manifest
        of your own corpus.
    output
        Folder of the prepared corpus. By default one of that name in the cache.
    format
        Format of your own corpus: `lhotse`, `kaldi`, `audiofolder`, `nemo`, or `folder` for audio files with `.txt`
        transcripts. By default it is found out.
    skip_bad
        Leave out unusable recordings, and list them.
    """
    from memrix.asr.corpora.catalog import already_prepared, prepare_corpus

    ready = already_prepared(name, source, output)
    if ready is not None:
        message(f"{name} is already prepared: {ready.folder}; remove that folder to prepare it again")
        _print_table(ready, ready.description["statistics"])
        return
    with progress_bar(f"preparing {name}") as progress:
        corpus = prepare_corpus(name, source, output, format=format, skip_bad=skip_bad, progress=progress)
    if "splits" in corpus.description:
        message(f"splits: {corpus.description['splits']}")
    for reason, count in corpus.description.get("left_out", {}).items():
        message(f"left out: {count} ({reason})")
    for problem in corpus.description.get("skipped", ()):
        message(f"skipped: {problem}")
    message(f"{name} is prepared: {corpus.folder}")
    _print_table(corpus, corpus.description["statistics"])


@app.command
def show(name: str, *, json: Path | None = None) -> None:
    """Show the statistics of a prepared corpus.

    Parameters
    ----------
    name
        Name or folder of the corpus.
    json
        JSON file to write the statistics and the source of the corpus to.
    """
    check_output(json, (".json",))

    from memrix.asr.corpora.prepared import open_corpus
    from memrix.asr.corpora.statistics import corpus_statistics
    from memrix.asr.files import write_whole
    from memrix.asr.pronunciation import pronounced_words

    corpus = open_corpus(name)
    message(f"{corpus.folder}, from {corpus.description.get('source')}")
    try:
        pronounced = pronounced_words(corpus)
    except AssetError as error:
        message(f"words without a pronunciation are not counted: {error}")
        pronounced = None
    statistics = corpus_statistics(corpus, pronounced)
    _print_table(corpus, statistics)
    if json is not None:
        figures = {**corpus.description, "folder": str(corpus.folder), "statistics": statistics}
        write_whole(json, json_format.dumps(figures, indent=2, ensure_ascii=False).encode() + b"\n")
        message(f"figures: {json}")


@app.command
def pronounce(name: str) -> None:
    """Derive pronunciations of words that no dictionary has from their spelling.

    They are written to `derived.dict` in the folder of the corpus, which its trainings and evaluations read. Correct
    them there: of invented words, half are right. What is in the file stays when the command is given again.

    Parameters
    ----------
    name
        Name or folder of the corpus.
    """
    from memrix.asr.corpora.prepared import open_corpus
    from memrix.asr.derived_pronunciations import write_derived
    from memrix.asr.pronunciation import DERIVED

    corpus = open_corpus(name)
    derived, missing = write_derived(corpus)
    for word, ways in derived.items():
        message(f"{word} {' '.join(ways[0])}")
    if missing:
        message(f"no pronunciation was found for {', '.join(missing)}; write them into a dictionary of your own")
    message(
        f"{len(derived)} pronunciations were derived: {corpus.folder / DERIVED}" if derived else "nothing to derive"
    )


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr for as long as the block lasts; nothing elsewhere than on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_table(corpus: PreparedCorpus, statistics: Mapping[str, Mapping[str, Any]]) -> None:
    from memrix.cli.tables import plain_table, print_whole

    shares = {"unseen_words": "unseen\n%", "seen_sentences": "known\n%", "unpronounced_words": "unpron.\n%"}
    shares = {key: heading for key, heading in shares.items() if any(key in row for row in statistics.values())}
    caption = (
        "unseen: share of the words that do not occur in train. known: share of the utterances that are in train "
        "word for word. unpron.: share of the words that have no pronunciation."
    )
    # Sources are long, and a title would be broken over lines.
    table = plain_table(corpus.name, caption if shares else None)
    table.add_column("split", no_wrap=True)
    headings = ("hours", "utterances", "words", "vocabulary", "speakers", *shares.values())
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for split, row in statistics.items():
        counts = (str(row[key]) for key in ("utterances", "words", "vocabulary", "speakers"))
        table.add_row(split, f"{row['hours']:.2f}", *counts, *(_percent(row[key]) for key in shares))
    print_whole(table)


def _percent(share: float | None) -> str:
    return _MISSING if share is None else f"{100 * share:.2f}"
