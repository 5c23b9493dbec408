"""Corpora of a few utterances, in exactly the folders and formats of the real ones."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpora.transcripts import normalized, with_joined_endings

PAUSE_SECONDS = 0.25
DIGIT_TEXTS = ("one two", "three four five", "two three", "four one")


@dataclass(frozen=True)
class Spoken:
    """What is said in a talk: split, name of the talk, text as in the STM file, samples at 16 kHz."""

    split: str
    talk: str
    text: str
    samples: np.ndarray


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Quiet noise, ``[samples]``."""
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)


def spoken_digits() -> list[Spoken]:
    """Two utterances in each of two training talks, and in one talk for dev and for test; they are noise."""
    talks = (("train", "AliceA_2001"), ("train", "BobB_2002"), ("dev", "CarolC_2003"), ("test", "DaveD_2004"))
    return [
        Spoken(split, talk, text, noise(0.5 + 0.1 * number, seed=number))
        for number, (split, talk) in enumerate(talks)
        for text in DIGIT_TEXTS[:2]
    ]


def write_tedlium(folder: Path, utterances: Iterable[Spoken], dictionary: Mapping[str, str] | None = None) -> Path:
    """Write ``TEDLIUM_release2`` into a folder: talks as SPHERE audio, STM files, and the dictionary; its path.

    The utterances of a talk follow each other with pauses, which are segments that are not to be scored.

    Args:
        folder: where to.
        utterances: what is said; the three splits should occur.
        dictionary: words to phonemes such as ``W AH N``; by default all words sound alike.
    """
    root = folder / "TEDLIUM_release2"
    talks: dict[tuple[str, str], list[Spoken]] = {}
    for utterance in utterances:
        talks.setdefault((utterance.split, utterance.talk), []).append(utterance)
    for (split, talk), parts in talks.items():
        _write_talk(root / split, talk, parts)
    if dictionary is None:
        texts = (normalized(with_joined_endings(part.text)) for parts in talks.values() for part in parts)
        dictionary = {word: "AH T" for text in texts for word in text.split()}
    (root / "TEDLIUM.152k.dic").write_text("".join(f"{word} {way}\n" for word, way in sorted(dictionary.items())))
    return root


def _write_talk(folder: Path, talk: str, parts: list[Spoken]) -> None:
    pause = np.zeros(round(PAUSE_SECONDS * SAMPLE_RATE), np.float32)
    pieces, lines, now = [], [], 0.0
    for part in parts:
        end = now + PAUSE_SECONDS
        lines.append(f"{talk} 1 inter_segment_gap {now:.3f} {end:.3f} <o,,unknown> ignore_time_segment_in_scoring")
        start, end = end, end + len(part.samples) / SAMPLE_RATE
        lines.append(f"{talk} 1 {talk} {start:.5f} {end:.5f} <o,f0,female> {part.text}")
        pieces += [pause, part.samples]
        now = end
    for kind in ("sph", "stm"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    audio = np.concatenate([*pieces, pause])
    soundfile.write(folder / "sph" / f"{talk}.sph", audio, SAMPLE_RATE, format="NIST", subtype="PCM_16")
    (folder / "stm" / f"{talk}.stm").write_text("\n".join(lines) + "\n")


def write_librispeech(folder: Path, parts: Mapping[str, Mapping[str, str]]) -> Path:
    """Write ``LibriSpeech``: half a second of flac for each utterance, by part and id; its path."""
    root = folder / "LibriSpeech"
    for part, texts in parts.items():
        for name, text in texts.items():
            speaker, chapter, _ = name.split("-")
            home = root / part / speaker / chapter
            home.mkdir(parents=True, exist_ok=True)
            soundfile.write(home / f"{name}.flac", noise(0.5), SAMPLE_RATE)
            with (home / f"{speaker}-{chapter}.trans.txt").open("a") as stream:
                stream.write(f"{name} {text}\n")
    return root


def write_manifests(folder: Path, rate: int = SAMPLE_RATE) -> Path:
    """Write lhotse's cuts for the three splits, two utterances of a second each, and their audio beside them."""
    from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev", "test"):
        cuts = []
        for number in range(2):
            name = f"{split}-{number}"
            soundfile.write(folder / f"{name}.wav", noise(1.0)[:rate], rate)
            recording = Recording.from_file(folder / f"{name}.wav")
            recording.sources[0].source = f"{name}.wav"
            said = SupervisionSegment(name, name, 0, 1, text=f"Hello, number {DIGIT_TEXTS[number]}.", speaker="me")
            cuts.append(MonoCut(name, 0, 1, 0, [said], recording=recording))
        CutSet.from_cuts(cuts).to_file(folder / f"{split}.jsonl.gz")
    return folder


def write_queen(folder: Path, clips: int = 0) -> Path:
    """Write an archive ``queen.1c`` of three dialogues, a cutscene and Joe's descriptions; the folder.

    Args:
        folder: where to.
        clips: further lines of Joe's, to make it longer.
    """
    more = {number: f"here is line {_words(number)}" for number in range(0x900, 0x900 + clips)}
    files = {
        "AND1.DOG": _dialogue(2, {7: "take me with you*12right now", **more}, {1: "hello*00you cannot fly (sighs)"}),
        "SECR.DOG": _dialogue(10, {}, {6: "good morning, sir", 8: "wait 5 minutes"}),
        "FAYE.DOG": _dialogue(18, {}, {1: "who are you", 6: "hm"}),
        "C100A.CUT": b"\0" * 20 + struct.pack(">8xh", 10) + _string("*01look*02out there!", 10, 2),
        "QUEEN2.JAS": b"it is a rock\r\nit is nice",
    }
    spoken = [
        "020007J1",
        "020007J2",
        "020001P2",
        "100006P1",
        "100008P1",
        "180001P1",
        "180006P1",
        "C100A002",
        "C100A003",
    ]
    spoken += ["JOE00411", "JOE00421", *(f"02{number:04X}J1" for number in more)]
    for number, name in enumerate(spoken):
        files[f"{name}.SB"] = _clip(number)
    offset = 15 + 21 * len(files)
    table, contents = b"", b""
    for name, content in files.items():
        table += struct.pack(">12sBII", name.encode(), 0, offset + len(contents), len(content))
        contents += content
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "queen.1c").write_bytes(b"QTBL" + b"\0" * 9 + struct.pack(">H", len(files)) + table + contents)
    return folder


def _words(number: int) -> str:
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return " ".join(names[int(digit)] for digit in str(number))


def _dialogue(key: int, joes: Mapping[int, str], others: Mapping[int, str]) -> bytes:
    header = 32
    content = b""
    for number, text in joes.items():
        content += struct.pack(">2xh", number) + _string(text, header + len(content) + 4, 4)
    table = header + len(content)
    for number, text in others.items():
        content += struct.pack(">2xh", number) + _string(text, header + len(content) + 4, 4)
    again = header + len(content)
    content += b"\0\0"
    # A table has one line more than its count says; without lines, it is not to be read at all.
    counts = [len(lines) - 1 for lines in (joes, others)]
    packed = struct.pack(">5h12xhhh", 0, 0, key, *counts, table, 0, again)
    return b"\0" * 20 + packed.ljust(header, b"\0") + content


def _string(text: str, offset: int, align: int) -> bytes:
    """A string behind its length, padded so that what follows is aligned."""
    raw = bytes([len(text)]) + text.encode("cp437")
    return raw + b"\0" * (-(offset + len(raw)) % align)


def _clip(number: int) -> bytes:
    import io

    stream = io.BytesIO()
    soundfile.write(stream, noise(1.0, seed=number)[:11025], 11025, format="MP3")
    return stream.getvalue()
