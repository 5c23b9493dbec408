"""The folder of a training: new, or of a training of the same settings on the same utterances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.files import write_whole
from memrix.asr.kept import content_of, hash_of
from memrix.asr.recognizer_files import recognizer_digest
from memrix.asr.training.settings import TrainingSettings
from memrix.errors import CheckpointError, SettingsError
from memrix.toolkit import parse_json, shown

STATE, RESULT, SETTINGS = "last.ckpt", "model.safetensors", "settings.json"
_START_HASH, _DATA_HASH = "start_sha256", "data_sha256"
_FREE_TO_CHANGE = {"corpus", "start", "workers", "checkpoint_minutes", "accelerator", "devices", "nodes"}


def check_folder(folder: Path, settings: TrainingSettings) -> None:
    """Keep the settings in a new folder, or hold them against those of the training that it holds.

    Raises:
        CheckpointError: the folder cannot be used, or holds a training of other settings or on other utterances.
    """
    wanted = settings.model_dump(mode="json")
    # What it starts from is known by its content, as folders may be moved; so are utterances, as a corpus may be
    # moved or prepared anew.
    remedy = f"the recognizer {settings.start!r} to start from cannot be used; name a file that `memrix train` wrote"
    try:
        wanted[_START_HASH] = None if settings.start is None else recognizer_digest(settings.start)
    except CheckpointError as error:
        raise CheckpointError(f"{remedy}: {error}") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = _known_settings(folder)
        if known is None:
            wanted[_DATA_HASH] = _hash_of_data(settings.corpus)
            write_whole(folder / SETTINGS, json.dumps(wanted, indent=2).encode())
            return
    except OSError as error:
        raise CheckpointError(f"the folder {folder} cannot be used for a training ({error}); name another") from error
    changed = [
        f"{key}: {shown(known.get(key))} there, {shown(value)} now"
        for key, value in wanted.items()
        if key not in _FREE_TO_CHANGE and known.get(key) != value
    ]
    if changed:
        raise CheckpointError(
            f"{folder} holds a training of other settings; name another folder, or give the same settings:\n  "
            + "\n  ".join(changed)
        )
    if known.get(_DATA_HASH) != _hash_of_data(settings.corpus):
        raise CheckpointError(
            f"{folder} holds a training on other utterances than those of the corpus {settings.corpus!r} now, which "
            "was prepared anew since; name another folder"
        )


def _hash_of_data(corpus: str) -> str:
    opened = open_corpus(corpus)
    return hash_of(*(content_of(opened.cuts(split)) for split in ("train", "dev")))


def _known_settings(folder: Path) -> dict[str, Any] | None:
    """The settings of the training that the folder holds, or None where it holds none."""
    path = folder / SETTINGS
    if not path.is_file():
        return None
    try:
        known = parse_json(path.read_bytes())
    except ValueError as error:
        # Nothing was trained yet: a memrix that wrote them in place was killed.
        if not any((folder / name).is_file() for name in (STATE, RESULT)):
            return None
        raise CheckpointError(
            f"the settings of the training in {path} are damaged ({error}); remove the file to go on with the "
            "settings given, or name another folder"
        ) from error
    if not isinstance(known, dict):
        raise CheckpointError(f"{path} holds no settings of a training; name another folder")
    return _as_now(known)


def _as_now(known: dict[str, Any]) -> dict[str, Any]:
    """Settings as this memrix says them, whichever wrote them."""
    hashes = {name: known[name] for name in (_START_HASH, _DATA_HASH) if name in known}
    settings = {name: value for name, value in known.items() if name not in hashes}
    try:
        return {**TrainingSettings.from_dict(settings).model_dump(mode="json"), **hashes}
    except SettingsError:  # of a newer memrix, or edited: the differences say which
        return known
