"""Recognizers that are trained already, with all that they are searched with: one folder, of yours or of memrix."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from memrix.asr.files import write_whole
from memrix.asr.kept import parse_kept, with_hash
from memrix.asr.search.language_model import open_language_model
from memrix.asr.search.settings import SearchSettings
from memrix.errors import CheckpointError, DataError
from memrix.toolkit import closest, file_path, former_names, formerly, with_former_names

_FLOAT = "float.safetensors"
_LOW_BIT = re.compile(r"(?P<bits>\d+(\.\d+)?)-bit\.safetensors")
_LANGUAGE_MODEL = "lm.arpa.gz"
_SEARCH = "search.json"
_GZIP = b"\x1f\x8b"


@with_former_names
@dataclass(frozen=True)
class TrainedRecognizers:
    """A float recognizer, those with low-bit weights that were trained from it, and their decoding settings.

    Attributes:
        floating: file of the float recognizer.
        low_bit: bits per weight and file of the others, most bits first.
        language_model: ARPA file.
        search: settings of decoding, tuned with the float recognizer on development data.
    """

    floating: Path
    low_bit: tuple[tuple[float, Path], ...] = field(metadata=formerly("coarse"))
    language_model: Path
    search: SearchSettings

    def settings(self) -> dict[str, Any]:
        """The settings of an experiment that uses them."""
        return {
            "recognizer": str(self.floating),
            "low_bit": tuple((bits, str(path)) for bits, path in self.low_bit),
            "weight_bits": tuple(bits for bits, _ in self.low_bit),
            "language_model": str(self.language_model),
            "search": self.search,
        }


def shipped_recognizers() -> tuple[str, ...]:
    """Names of the trained recognizers that come with memrix."""
    return tuple(sorted(folder.name for folder in _shipped().iterdir() if folder.is_dir()))


def open_trained(name_or_folder: str) -> TrainedRecognizers:
    """Those of a folder that ``write_trained`` has written, or of a name in ``shipped_recognizers``.

    Raises:
        CheckpointError: there is no such folder or name, or the folder lacks something.
        DataError: the decoding settings are damaged.
    """
    folder = (
        _shipped() / name_or_folder
        if name_or_folder in shipped_recognizers()
        else file_path(name_or_folder, DataError, "the name of trained recognizers")
    )
    if not folder.is_dir():
        raise CheckpointError(
            f"there are no trained recognizers {name_or_folder!r}{closest(name_or_folder, shipped_recognizers())}; "
            f"name one that comes with memrix ({', '.join(shipped_recognizers())}) or a folder that "
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
    low_bit = [
        (_number(found["bits"]), path) for path in folder.iterdir() if (found := _LOW_BIT.fullmatch(path.name))
    ]
    return TrainedRecognizers(
        folder / _FLOAT,
        tuple(sorted(low_bit, reverse=True)),
        folder / _LANGUAGE_MODEL,
        kept_search(folder / _SEARCH, "write the folder anew")[0],
    )


def write_trained(folder: Path, trained: TrainedRecognizers) -> None:
    """Write packed recognizers, language model and decoding settings into one folder.

    Raises:
        CheckpointError: a recognizer cannot be read, or the folder not be written.
        DataError: the language model is not an ARPA file.
    """
    # torch takes seconds to import, and what is trained is looked up without it.
    from memrix.asr.recognizer_files import load_recognizer, save_recognizer

    file_path(folder, DataError, "the folder of trained recognizers").mkdir(parents=True, exist_ok=True)
    for name, path in _named(trained):
        recognizer, training = load_recognizer(path)
        save_recognizer(folder / name, recognizer, training, packed=True)
    write_whole(folder / _LANGUAGE_MODEL, _gzipped_arpa(trained.language_model))
    write_whole(folder / _SEARCH, json.dumps(with_hash({"settings": asdict(trained.search)}), indent=1).encode())


def kept_search(path: Path, remedy: str) -> tuple[SearchSettings, str | None]:
    """Decoding settings from a file that holds them as ``settings``, and what they depend on, if it says so.

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
        raise DataError(f"{path} holds no decoding settings ({error}); {remedy}") from error
    return settings, key if isinstance(key, str) else None


def _named(trained: TrainedRecognizers) -> Iterable[tuple[str, Path]]:
    yield _FLOAT, trained.floating
    for bits, path in trained.low_bit:
        yield f"{bits:g}-bit.safetensors", path


def _gzipped_arpa(path: Path) -> bytes:
    if open_language_model(path).counts is None:
        raise DataError(f"{path} is a binary language model; only an ARPA file can be saved with recognizers")
    content = path.read_bytes()
    return content if content.startswith(_GZIP) else gzip.compress(content, mtime=0)


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _shipped() -> Path:
    return Path(str(files("memrix.asr") / "trained"))


__getattr__ = former_names(
    __name__, {"TrainedRecognisers": "TrainedRecognizers", "shipped_recognisers": "shipped_recognizers"}
)
