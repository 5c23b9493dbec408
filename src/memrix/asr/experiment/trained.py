"""Recognizers that are trained already, with all that they are searched with: one folder, of yours or of memrix."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from memrix._support.documents import file_path
from memrix._support.records import closest
from memrix.asr.files import write_whole
from memrix.asr.kept import parse_kept, with_hash
from memrix.asr.search.language_model import open_language_model
from memrix.asr.search.settings import SearchSettings
from memrix.errors import CheckpointError, DataError

_FLOAT = "float.safetensors"
_COARSE = re.compile(r"(?P<bits>\d+(\.\d+)?)-bit\.safetensors")
_LANGUAGE_MODEL = "lm.arpa.gz"
_SEARCH = "search.json"
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class TrainedRecognizers:
    """A recognizer in float, those with coarse weights that were trained from it, and their search.

    Attributes:
        floating: file of the float recognizer.
        coarse: bits of the weights and file of the others, most bits first.
        language_model: ARPA file.
        search: settings of the search, tuned with the float recognizer on development data.
    """

    floating: Path
    coarse: tuple[tuple[float, Path], ...]
    language_model: Path
    search: SearchSettings

    def settings(self) -> dict[str, Any]:
        """What they are to an experiment, as settings of it."""
        return {
            "recognizer": str(self.floating),
            "low_bit": tuple((bits, str(path)) for bits, path in self.coarse),
            "weight_bits": tuple(bits for bits, _ in self.coarse),
            "language_model": str(self.language_model),
            "search": self.search,
        }


def shipped_recognizers() -> tuple[str, ...]:
    """Names of those that memrix brings."""
    return tuple(sorted(folder.name for folder in _shipped().iterdir() if folder.is_dir()))


def open_trained(name_or_folder: str) -> TrainedRecognizers:
    """Those of a folder that ``write_trained`` has written, or of a name in ``shipped_recognizers``.

    Raises:
        CheckpointError: there is no such folder or name, or the folder lacks something.
        DataError: the settings of the search are damaged.
    """
    folder = (
        _shipped() / name_or_folder
        if name_or_folder in shipped_recognizers()
        else file_path(name_or_folder, DataError, "the name of trained recognizers")
    )
    if not folder.is_dir():
        raise CheckpointError(
            f"there are no trained recognizers {name_or_folder!r}{closest(name_or_folder, shipped_recognizers())}; "
            f"name one that memrix brings ({', '.join(shipped_recognizers())}) or a folder that "
            f"`memrix experiment paper --save-trained` has written"
        )
    missing = [name for name in (_FLOAT, _LANGUAGE_MODEL, _SEARCH) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"the folder {str(folder)!r} lacks {', '.join(missing)}; expected one that "
            f"`memrix experiment paper --save-trained` has written"
        )
    if open_language_model(folder / _LANGUAGE_MODEL).counts is None:
        raise DataError(f"{folder / _LANGUAGE_MODEL} is a binary language model; a folder of recognizers holds ARPA")
    coarse = [(_number(found["bits"]), path) for path in folder.iterdir() if (found := _COARSE.fullmatch(path.name))]
    return TrainedRecognizers(
        folder / _FLOAT,
        tuple(sorted(coarse, reverse=True)),
        folder / _LANGUAGE_MODEL,
        kept_search(folder / _SEARCH, "write the folder anew")[0],
    )


def write_trained(folder: Path, trained: TrainedRecognizers) -> None:
    """Write recognizers at half precision, language model and settings of the search into one folder.

    Raises:
        CheckpointError: a recognizer cannot be read, or the folder not be written.
        DataError: the language model is no ARPA file.
    """
    # torch takes seconds to import, and what is trained is looked up without it.
    from memrix.asr.recognizer_files import load_recognizer, save_recognizer

    file_path(folder, DataError, "the folder of trained recognizers").mkdir(parents=True, exist_ok=True)
    for name, path in _named(trained):
        recognizer, training = load_recognizer(path)
        save_recognizer(folder / name, recognizer, training, half=True)
    write_whole(folder / _LANGUAGE_MODEL, _gzipped_arpa(trained.language_model))
    write_whole(folder / _SEARCH, json.dumps(with_hash({"settings": asdict(trained.search)}), indent=1).encode())


def kept_search(path: Path, remedy: str) -> tuple[SearchSettings, str | None]:
    """Settings of a search from a file that holds them as ``settings``, and what they depend on, if it says so.

    Raises:
        DataError: the file is damaged; ``remedy`` says how to fix it.
    """
    try:
        table, _ = parse_kept(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); {remedy}") from error
    try:
        settings, key = SearchSettings(**table["settings"]), table.get("key")
    except (DataError, KeyError, TypeError) as error:
        raise DataError(f"{path} holds no settings of a search ({error}); {remedy}") from error
    return settings, key if isinstance(key, str) else None


def _named(trained: TrainedRecognizers) -> Iterable[tuple[str, Path]]:
    yield _FLOAT, trained.floating
    for bits, path in trained.coarse:
        yield f"{bits:g}-bit.safetensors", path


def _gzipped_arpa(path: Path) -> bytes:
    if open_language_model(path).counts is None:
        raise DataError(f"{path} is a binary language model; only an ARPA file can be kept beside recognizers")
    content = path.read_bytes()
    return content if content.startswith(_GZIP) else gzip.compress(content, mtime=0)


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _shipped() -> Path:
    return Path(str(files("memrix.asr") / "trained"))
