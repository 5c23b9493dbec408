"""Files of a prepared corpus: each is whole or not there, and the description comes last."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from memrix.asr.corpora.prepared import DESCRIPTION, MANIFEST, SPLITS, PreparedCorpus
from memrix.asr.corpora.statistics import split_statistics
from memrix.asr.files import disk_is_full, whole_file
from memrix.errors import DataError

if TYPE_CHECKING:
    from lhotse import MonoCut


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A block that writes into a folder, and does nothing else that could go wrong.

    Raises:
        DataError: the disk is full, or the folder cannot be written to.
    """
    try:
        yield
    except OSError as error:
        kept = "free some space and run again: what is done is kept"
        fix = kept if disk_is_full(error) else "name another with --output"
        raise DataError(f"the folder {folder} cannot be written to ({error.strerror or error}); {fix}") from error


def write_cuts(path: Path, cuts: Iterable[MonoCut]) -> None:
    """Write a manifest; the same cuts give the same bytes."""
    with whole_file(path) as stream, gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed:
        for cut in cuts:
            packed.write(json.dumps(cut.to_dict(), ensure_ascii=False).encode() + b"\n")


def write_corpus(
    name: str, folder: Path, cuts: Mapping[str, Sequence[MonoCut]], description: Mapping[str, Any]
) -> PreparedCorpus:
    """Write manifests, statistics and description of a corpus; a split without cuts gets no manifest.

    Raises:
        DataError: the folder cannot be written to.
    """
    full = {
        "name": name,
        **description,
        "statistics": split_statistics({split: cuts[split] for split in SPLITS if cuts.get(split)}),
    }
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            path = folder / MANIFEST.format(split)
            if cuts.get(split):
                write_cuts(path, cuts[split])
            else:
                path.unlink(missing_ok=True)
        # Last, as it says that all else is there.
        with whole_file(folder / DESCRIPTION) as stream:
            stream.write(json.dumps(full, indent=2, ensure_ascii=False).encode())
    return PreparedCorpus(name, folder, cast(Mapping[str, Any], full))
