"""The user's own recordings: a JSONL manifest, or a folder of audio files and transcripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from memrix.asr.corpora.division import named_split
from memrix.asr.corpora.manifest_lines import require_file_name
from memrix.asr.corpora.recordings import Entry
from memrix.asr.corpora.writing import Collection
from memrix.asr.corpus import Corpus, Utterance, listing
from memrix.asr.outside import about, explained, plain_text, read_each, user_path
from memrix.errors import DataError
from memrix.toolkit import parse_json

MANIFEST_NAME = "manifest.jsonl"
AUDIO_SUFFIXES = frozenset({".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".sph", ".wav"})


def read_manifest(path: Path) -> Corpus:
    """Corpus from lines such as ``{"audio": "a.wav", "text": "hello", "id": "a"}``; ``id`` is optional.

    Audio paths are relative to the manifest. Without ``id`` the path as written is the id.

    Raises:
        DataError: every line that cannot be used, with its number; or no lines at all.
    """
    seen: dict[str, int] = {}

    def read(line: str, number: int) -> Utterance:
        audio, text, name = _parsed(line)
        if name in seen:
            raise DataError(f"the id {name!r} is taken by line {seen[name]}")
        seen[name] = number
        require_file_name(audio)
        return Utterance(name, path.parent / user_path(audio, DataError, "the path of its audio"), text)

    with about(f"the manifest {path}"):
        lines = plain_text(path).split("\n")
    utterances, problems = read_each(lines, read)
    if problems:
        raise DataError(f"the manifest {path} has lines that cannot be used; fix or remove:{listing(problems)}")
    if not utterances:
        raise DataError(f'the manifest {path} is empty; expected lines such as {{"audio": "a.wav", "text": "hello"}}')
    return Corpus(path.stem, tuple(utterances), f"manifest {path}")


def read_folder(folder: Path) -> Corpus:
    """Corpus from ``manifest.jsonl``, or from audio files with a ``.txt`` of the same stem, at any depth.

    Raises:
        DataError: audio files without a transcript or with an unusable one (all are listed), or no audio.
    """
    if (folder / MANIFEST_NAME).is_file():
        return read_manifest(folder / MANIFEST_NAME)
    if not recordings_of(folder):
        raise DataError(
            f"the folder {folder} holds neither {MANIFEST_NAME} nor audio files "
            f"({', '.join(sorted(AUDIO_SUFFIXES))}); give another folder or a manifest"
        )
    collection = Collection(folder.resolve().name)
    utterances = [Utterance(each.id, folder / each.audio, each.text) for each in read_pairs(folder, collection)]
    if collection.problems:
        raise DataError(
            f"transcripts are missing in {folder}; add them or remove the audio:{listing(collection.problems)}"
        )
    return Corpus(folder.resolve().name, tuple(utterances), f"folder {folder}")


def recordings_of(folder: Path) -> list[Path]:
    """The audio files of a folder, at any depth."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)


def read_pairs(folder: Path, collection: Collection) -> Iterator[Entry]:
    """Recordings with a text beside each; those that share a folder count as one speaker's."""
    for path in recordings_of(folder):
        inside, beside = path.relative_to(folder), path.with_suffix(".txt")
        with collection.noting(str(inside)):
            if not beside.is_file():
                raise DataError(f"no transcript {beside.name} next to it")
            home = inside.parent
            anyone = home == Path() or (len(home.parts) == 1 and named_split(home))
            text = " ".join(plain_text(beside).split())
            speaker = None if anyone else home.as_posix()
            yield Entry(inside.with_suffix("").as_posix(), str(inside), text, speaker=speaker)


def _parsed(line: str) -> tuple[str, str, str]:
    """Audio path, text and id of a line; DataError says what is wrong with it."""
    with explained(DataError, "not JSON", caught=ValueError):
        entry = parse_json(line)
    if not isinstance(entry, dict):
        raise DataError(f"expected an object with `audio` and `text`, got {line.strip()[:40]}")
    wrong = [
        f"`{key}` must be text that is not empty, got {entry.get(key)!r}"
        for key in ("audio", "text", "id")
        if (key != "id" or key in entry) and not (isinstance(entry.get(key), str) and entry[key].strip())
    ]
    if wrong:
        raise DataError("; ".join(wrong))
    audio, text = str(entry["audio"]), str(entry["text"])
    return audio, " ".join(text.split()), str(entry.get("id", audio))
