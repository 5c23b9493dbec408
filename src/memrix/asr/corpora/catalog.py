"""Corpora by name, and the user's own by path: prepared for training, or read for evaluation."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from memrix.asr.corpora.asterisk import asterisk, prepare_asterisk
from memrix.asr.corpora.librispeech import prepare_librispeech
from memrix.asr.corpora.own_formats import FORMATS, find_format, prepare_own
from memrix.asr.corpora.own_recordings import read_folder, read_manifest
from memrix.asr.corpora.preparation import Progress, silent
from memrix.asr.corpora.prepared import DESCRIPTION, PreparedCorpus, corpora_folder, open_corpus
from memrix.asr.corpora.queen import prepare_queen
from memrix.asr.corpora.tedlium2 import prepare_tedlium2
from memrix.asr.corpus import Corpus, Utterance
from memrix.asr.outside import about, user_path
from memrix.errors import DataError
from memrix.toolkit import closest, shown


class Preparer(Protocol):
    """Prepares one corpus."""

    def __call__(self, folder: Path, source: Path | None, progress: Progress, *, skip_bad: bool) -> PreparedCorpus:
        """Prepare the corpus.

        Args:
            folder: where to.
            source: the user's copy of the corpus; None fetches it.
            progress: called with the number of parts (utterances, talks, chapters) done, and the total.
            skip_bad: leave out what cannot be used; it is listed in the description.

        Raises:
            DataError: the source is another one, something cannot be used (all is listed), or the folder cannot be
                written to.
            AssetError: the corpus, or a dictionary, cannot be fetched.
        """


FETCHED: dict[str, Preparer] = {"queen": prepare_queen, "asterisk": prepare_asterisk}
"""Corpora that memrix fetches by itself."""

COPIES: dict[str, Preparer] = {"tedlium2": prepare_tedlium2, "librispeech": prepare_librispeech}
"""Corpora that are read from the user's own copy."""

_PREPARERS = {**FETCHED, **COPIES}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def prepare_corpus(
    name: str,
    source: Path | None = None,
    output: Path | None = None,
    *,
    format: str | None = None,
    skip_bad: bool = False,
    progress: Progress = silent,
) -> PreparedCorpus:
    """A corpus, prepared for training; at once where it is there already.

    Killed, the next call goes on: audio that is done is kept.

    Args:
        name: queen, asterisk, tedlium2, librispeech, or another name for a corpus of the user's own.
        source: the user's copy of the corpus, or the folder or manifest of the user's own.
        output: where to; by default a folder of that name in the cache.
        format: of the user's own, one of ``memrix.asr.corpora.own_formats.FORMATS``; None finds it out.
        skip_bad: leave out what cannot be used; it is listed in the description.
        progress: called with the number of parts done, and the total.

    Raises:
        DataError: the corpus cannot be prepared; all problems are listed.
        AssetError: it cannot be fetched.
    """
    ready = already_prepared(name, source, output)
    if ready is not None:
        return ready
    folder = _place(name, output)
    if source is not None:
        source = user_path(source, DataError, "the path of a source")
        if folder.resolve() == source.resolve():
            raise DataError(f"{source} is what is read and cannot be written to as well; name another --output")
    if name in _PREPARERS:
        if format is not None:
            raise DataError(f"the format of {name} is known, got {shown(format)}; leave it out, or give another name")
        return _PREPARERS[name](folder, source, progress, skip_bad=skip_bad)
    if source is None:
        raise DataError(
            f"there is no corpus {name!r}{closest(name, _PREPARERS)}; expected {_accepted()}, or your own name "
            f"and --source, in one of the formats {', '.join(FORMATS)}"
        )
    with about(f"the corpus {name} of your own{closest(name, _PREPARERS)}"):
        found = find_format(source, format)
    return prepare_own(name, folder, source, progress, found=found, skip_bad=skip_bad)


def already_prepared(name: str, source: Path | None = None, output: Path | None = None) -> PreparedCorpus | None:
    """The corpus, if it was prepared to the end.

    Raises:
        DataError: its folder holds another corpus, or one from another source.
    """
    folder = _place(name, output)
    if not (folder / DESCRIPTION).is_file():
        return None
    corpus = open_corpus(str(folder))
    if corpus.name != name:
        raise DataError(f"{folder} holds the corpus {corpus.name!r}, not {name!r}; name another --output")
    known = corpus.description.get("source")
    if source is not None and known != str(source.expanduser().resolve()):
        raise DataError(
            f"the corpus {name} in {folder} was prepared from {known}, not from {source}; remove that folder, or "
            "name another --output"
        )
    complete = set(corpus.description.get("statistics", ())) <= set(corpus.splits)
    return corpus if complete else None


def load_corpus(
    name_or_path: str, progress: Progress = silent, part: str = "test", subset: str | None = None
) -> Corpus:
    """A corpus to evaluate: by name, a prepared folder, or the user's own manifest (``.jsonl``) or folder.

    ``asterisk`` is all prompts as they are written. Of a prepared corpus it is a split, ``part``; ``queen`` is
    prepared where it is not. A name wins over a folder of the same name; write ``./asterisk`` for the folder. A split
    may have parts, of which ``subset`` names one.

    Raises:
        DataError: unknown name, no utterances, or lines and files that cannot be used (all are listed).
        AssetError: a named corpus that cannot be fetched.
    """
    return _reader(name_or_path, part, subset)(progress)


def prepared_corpus(name_or_path: str) -> PreparedCorpus | None:
    """The prepared corpus that ``load_corpus`` reads a split of; None where it reads recordings as they are.

    Raises:
        DataError: it is damaged.
    """
    path = None if name_or_path == "asterisk" else _prepared_folder(name_or_path)
    return None if path is None else open_corpus(str(path))


def require_corpus(name_or_path: str) -> None:
    """Make sure that ``load_corpus`` finds something of this name, without reading or fetching it.

    Raises:
        DataError: it does not.
    """
    _reader(name_or_path)


def _prepared_folder(name_or_path: str) -> Path | None:
    """Where a prepared corpus is; None where something else is named, or it is not prepared."""
    path = user_path(name_or_path, DataError, "the name of a corpus")
    named = _NAME.fullmatch(name_or_path) is not None
    if name_or_path in _PREPARERS or (named and (corpora_folder() / name_or_path / DESCRIPTION).is_file()):
        path = corpora_folder() / name_or_path
    return path if (path / DESCRIPTION).is_file() else None


def _reader(name_or_path: str, part: str = "test", subset: str | None = None) -> Callable[[Progress], Corpus]:
    """What reads the corpus of a name or path.

    Raises:
        DataError: nothing does.
    """
    if name_or_path == "asterisk":
        return lambda progress: _whole(asterisk(), part)
    if name_or_path in FETCHED:
        return lambda progress: _split(prepare_corpus(name_or_path, progress=progress), part, subset)
    path = user_path(name_or_path, DataError, "the name of a corpus")
    prepared = _prepared_folder(name_or_path)
    if prepared is not None or name_or_path in COPIES:
        opened = open_corpus(name_or_path if prepared is None else str(prepared))
        return lambda progress: _split(opened, part, subset)
    if path.is_dir():
        return lambda progress: _whole(read_folder(path), part)
    if path.is_file() and path.suffix == ".jsonl":
        return lambda progress: _whole(read_manifest(path), part)
    accepted = f"expected {_accepted()}, another prepared corpus, a .jsonl manifest or a folder"
    if path.exists():
        raise DataError(f"{name_or_path} is not a corpus; {accepted}")
    raise DataError(
        f"there is no corpus {name_or_path!r}{closest(name_or_path.lower(), _PREPARERS)}, "
        f"nor a file or folder of that name; {accepted}"
    )


def _whole(corpus: Corpus, part: str) -> Corpus:
    if part != "test":
        raise DataError(f"{corpus.name} has no splits, and the split {part!r} is asked for; leave it out")
    return corpus


def _split(corpus: PreparedCorpus, split: str, subset: str | None = None) -> Corpus:
    """The utterances of a split, each a file or a part of one."""
    utterances = []
    for cut in corpus.cuts(split, subset):
        sources = cut.recording.sources
        transforms = [
            item["name"] if isinstance(item, dict) else type(item).__name__ for item in cut.recording.transforms or []
        ]
        if len(sources) != 1 or set(transforms) - {"Resample"}:
            raise DataError(
                f"{cut.id} of the corpus {corpus.name} is not one file, or changed as it is read, and cannot be "
                f"evaluated; give a split `{split}` of plain recordings"
            )
        whole = cut.start == 0 and abs(cut.duration - cut.recording.duration) < 1e-6
        part = {} if whole else {"start": float(cut.start), "seconds": float(cut.duration)}
        utterances.append(Utterance(cut.id, Path(sources[0].source), cut.supervisions[0].text, **part))
    license = corpus.description.get("license", "license unknown")
    return Corpus(corpus.name, tuple(utterances), f"{corpus.description.get('source')} ({license}); split {split}")


def _place(name: str, output: Path | None) -> Path:
    if not _NAME.fullmatch(name):
        raise DataError(
            f"the name of a corpus is of letters, digits, dots and dashes, got {shown(name)}; give another"
        )
    return corpora_folder() / name if output is None else user_path(output, DataError, "the folder of a corpus")


def _accepted() -> str:
    return ", ".join(_PREPARERS)
