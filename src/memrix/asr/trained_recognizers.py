"""Recognizers that are trained already, with all that they are searched with: one folder, of yours or of memrix."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from memrix.asr.files import write_whole
from memrix.asr.kept import parse_kept, validated, with_hash
from memrix.asr.outside import GZIP, explained
from memrix.asr.search.language_model import open_language_model
from memrix.asr.search.settings import SearchSettings
from memrix.errors import CheckpointError, DataError, SettingsError
from memrix.toolkit import closest, file_path, formerly, is_file, with_former_names

PACKAGES = "memrix.recognizers"
"""Entry points by which installed packages bring recognizers: each a name, and the package that holds the files."""
_FLOAT = "float.safetensors"
_LOW_BIT = re.compile(r"(?P<bits>\d+(\.\d+)?)-bit\.safetensors")
_LANGUAGE_MODEL = "lm.arpa.gz"
_SEARCH = "search.json"
_PRIORS = "priors"
_IN_FLOAT = "float"
_PROBABILITIES = TypeAdapter(dict[str, list[Annotated[float, Field(gt=0, le=1)]]])


@with_former_names
@dataclass(frozen=True)
class TrainedRecognizers:
    """A float recognizer, those with low-bit weights that were trained from it, and all that they find words with.

    Attributes:
        floating: file of the float recognizer.
        low_bit: bits per weight and file of the others, most bits first.
        language_model: ARPA file; None for recognizers that need none.
        search: settings of decoding, tuned with the float recognizer on development data; None likewise.
        priors: of the labels, by bits per weight; of the float recognizer by None.
    """

    floating: Path
    low_bit: tuple[tuple[float, Path], ...] = field(metadata=formerly("coarse"))
    language_model: Path | None = None
    search: SearchSettings | None = None
    priors: Mapping[float | None, list[float]] = field(default_factory=dict)

    def file(self, weight_bits: float | None) -> Path:
        """The file of the recognizer with so many bits; None for that in float.

        Raises:
            SettingsError: there is none.
        """
        known: dict[float | None, Path] = {None: self.floating, **dict(self.low_bit)}
        if weight_bits not in known:
            bits = ", ".join(f"{found:g}" for found, _ in self.low_bit)
            raise SettingsError(
                f"{self.floating.parent.name} has recognizers with weights of {bits} bits and in float, and "
                f"weight_bits is {weight_bits:g}"
            )
        return known[weight_bits]

    def settings(self) -> dict[str, Any]:
        """The settings of an experiment that uses them."""
        return {"recognizer": str(self.floating.parent), "weight_bits": tuple(bits for bits, _ in self.low_bit)}


def shipped_recognizers() -> tuple[str, ...]:
    """Names of the trained recognizers that come with memrix and with packages that are installed beside it."""
    return tuple(sorted(_shipped()))


def is_trained(name_or_folder: str) -> bool:
    """Whether ``open_trained`` is the one to open it: it is in ``shipped_recognizers``, or a folder of files."""
    return name_or_folder in shipped_recognizers() or is_file(Path(name_or_folder) / _FLOAT)


def open_trained(name_or_folder: str) -> TrainedRecognizers:
    """Those of a folder that ``write_trained`` has written, or of a name in ``shipped_recognizers``.

    Raises:
        CheckpointError: there is no such folder or name, or the folder lacks something.
        DataError: the decoding settings are damaged.
    """
    folder = _shipped().get(name_or_folder) or file_path(name_or_folder, DataError, "the name of trained recognizers")
    if not folder.is_dir():
        raise CheckpointError(
            f"there are no trained recognizers {name_or_folder!r}{closest(name_or_folder, shipped_recognizers())}; "
            f"name one that is installed ({', '.join(shipped_recognizers())}) or a folder that "
            f"`memrix experiment --save-trained` has written"
        )
    language_model, search = folder / _LANGUAGE_MODEL, folder / _SEARCH
    # A recognizer that writes words itself has neither of these.
    needed = [folder / _FLOAT, *((language_model, search) if language_model.is_file() or search.is_file() else ())]
    missing = [path.name for path in needed if not path.is_file()]
    if missing:
        raise CheckpointError(
            f"the folder {str(folder)!r} lacks {', '.join(missing)}; expected one that "
            f"`memrix experiment --save-trained` has written"
        )
    low_bit = [
        (_number(found["bits"]), path) for path in folder.iterdir() if (found := _LOW_BIT.fullmatch(path.name))
    ]
    trained = TrainedRecognizers(folder / _FLOAT, tuple(sorted(low_bit, reverse=True)))
    if len(needed) == 1:
        return trained
    if open_language_model(language_model).counts is None:
        raise DataError(f"{language_model} is a binary language model; a folder of recognizers holds ARPA")
    remedy = "write the folder anew"
    settings, priors = kept_search(search, remedy), kept_priors(search, remedy)
    return replace(trained, language_model=language_model, search=settings, priors=priors)


def write_trained(folder: Path, trained: TrainedRecognizers) -> None:
    """Write packed recognizers, language model, decoding settings and label priors into one folder.

    Recognizers that were trained from a model that everybody can load are packed onto that.

    Raises:
        AssetError: such a model cannot be loaded.
        CheckpointError: a recognizer cannot be read, or the folder not be written.
        DataError: the language model is not an ARPA file.
    """
    # torch takes seconds to import, and what is trained is looked up without it.
    from memrix.asr.packing import pretrained_base
    from memrix.asr.recognizer_files import load_recognizer, save_recognizer

    file_path(folder, DataError, "the folder of trained recognizers").mkdir(parents=True, exist_ok=True)
    named = {_FLOAT: trained.floating, **{f"{bits:g}-bit.safetensors": path for bits, path in trained.low_bit}}
    for name, path in named.items():
        recognizer, training = load_recognizer(path)
        base = pretrained_base(recognizer, anywhere=True)
        save_recognizer(folder / name, recognizer, training, packed=True, base=base)
    if trained.language_model is not None:
        path = trained.language_model
        if open_language_model(path).counts is None:
            raise DataError(f"{path} is a binary language model; only an ARPA file can be saved with recognizers")
        content = path.read_bytes()
        zipped = content if content.startswith(GZIP) else gzip.compress(content, mtime=0)
        write_whole(folder / _LANGUAGE_MODEL, zipped)
    if trained.search is not None:
        write_search(folder / _SEARCH, trained.search, trained.priors)


def write_search(
    path: Path, settings: SearchSettings | None, priors: Mapping[float | None, list[float]], **more: object
) -> None:
    """Write decoding settings, label priors, or both, and whatever else there is to say of them."""
    by_bits = {_IN_FLOAT if bits is None else f"{bits:g}": prior for bits, prior in priors.items()}
    said = {} if settings is None else {"settings": asdict(settings)}
    write_whole(path, json.dumps(with_hash({**said, _PRIORS: by_bits, **more}), indent=1).encode())


def kept_search(path: Path, remedy: str) -> SearchSettings:
    """Decoding settings from a file that holds them as ``settings``.

    Raises:
        DataError: the file is damaged; ``remedy`` says how to fix it.
    """
    table = _table(path, remedy)
    try:
        return SearchSettings(**table["settings"])
    except (DataError, KeyError, TypeError) as error:
        raise DataError(f"{path} holds no decoding settings ({error}); {remedy}") from error


def kept_priors(path: Path, remedy: str) -> dict[float | None, list[float]]:
    """Label priors by bits per weight, in float by None, from a file that may hold them as ``priors``.

    Raises:
        DataError: the file is damaged; ``remedy`` says how to fix it.
    """
    table = _table(path, remedy)
    with explained(DataError, f"{path} holds no label priors", remedy, ValueError):
        found = validated(_PROBABILITIES, table.get(_PRIORS, {}))
        return {None if bits == _IN_FLOAT else _number(bits): prior for bits, prior in found.items()}


def _table(path: Path, remedy: str) -> dict[str, Any]:
    with explained(DataError, f"{path} is damaged", remedy, (OSError, ValueError)):
        return parse_kept(path.read_bytes())[0]


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _shipped() -> dict[str, Path]:
    """Folders of the recognizers that are installed, by their names."""
    own = Path(str(files("memrix.asr") / "trained"))
    found = {folder.name: folder for folder in own.iterdir() if folder.is_dir()}
    for entry in entry_points(group=PACKAGES):
        package = find_spec(entry.value)
        if package is not None and package.origin is not None:
            found.setdefault(entry.name, Path(package.origin).parent)
    return found
