"""The user's own recordings: a JSONL manifest, or a folder of audio files and transcripts."""

from __future__ import annotations

from pathlib import Path

from memrix.asr.corpora.manifest_lines import require_file_name
from memrix.asr.corpus import Corpus, Utterance, listing
from memrix.asr.outside import explained, plain_text, user_path
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
    utterances: list[Utterance] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    with explained(DataError, f"the manifest {path} is not readable as UTF-8 text", caught=(OSError, ValueError)):
        lines = plain_text(path).split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        entry = _parse(line)
        if isinstance(entry, str):
            problems.append(f"line {number}: {entry}")
            continue
        audio, text, name = entry
        if name in seen:
            problems.append(f"line {number}: the id {name!r} is taken by line {seen[name]}")
            continue
        seen[name] = number
        try:
            require_file_name(audio)
            place = path.parent / user_path(audio, DataError, "the path of its audio")
        except DataError as error:
            problems.append(f"line {number}: {error}")
            continue
        utterances.append(Utterance(name, place, text))
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
    recordings = sorted(file for file in folder.rglob("*") if file.suffix.lower() in AUDIO_SUFFIXES)
    if not recordings:
        raise DataError(
            f"the folder {folder} holds neither {MANIFEST_NAME} nor audio files "
            f"({', '.join(sorted(AUDIO_SUFFIXES))}); give another folder or a manifest"
        )
    utterances: list[Utterance] = []
    problems: list[str] = []
    for audio in recordings:
        transcript = audio.with_suffix(".txt")
        try:
            text = " ".join(plain_text(transcript).split())
        except FileNotFoundError:
            problems.append(f"{audio.relative_to(folder)}: no transcript {transcript.name} next to it")
        except (OSError, ValueError) as error:
            problems.append(f"{transcript.relative_to(folder)}: not readable as UTF-8 text ({error})")
        else:
            name = audio.relative_to(folder).with_suffix("").as_posix()
            utterances.append(Utterance(name, audio, text))
    if problems:
        raise DataError(f"transcripts are missing in {folder}; add them or remove the audio:{listing(problems)}")
    return Corpus(folder.resolve().name, tuple(utterances), f"folder {folder}")


def _parse(line: str) -> tuple[str, str, str] | str:
    """Audio path, text and id of a line; or what is wrong with it."""
    try:
        entry = parse_json(line)
    except ValueError as error:
        return f"not JSON ({error})"
    if not isinstance(entry, dict):
        return f"expected an object with `audio` and `text`, got {line.strip()[:40]}"
    wrong = [
        f"`{key}` must be text that is not empty, got {entry.get(key)!r}"
        for key in ("audio", "text", "id")
        if key != "id" or "id" in entry
        if not (isinstance(entry.get(key), str) and entry[key].strip())
    ]
    if wrong:
        return "; ".join(wrong)
    audio, text = str(entry["audio"]), str(entry["text"])
    return audio, " ".join(text.split()), str(entry.get("id", audio))
