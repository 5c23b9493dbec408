"""A language of tones: words of a few phonemes, each a pitch of its own; learned in seconds."""

from pathlib import Path

import numpy as np

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpora.preparation import Utterance, prepare
from memrix.asr.corpora.prepared import PreparedCorpus

PRONUNCIATIONS = {"one": "W AH N", "two": "T UW", "three": "TH R IY", "four": "F AO R"}
PHONEMES = sorted({phoneme for way in PRONUNCIATIONS.values() for phoneme in way.split()})
_PHONEME_SECONDS, _PAUSE_SECONDS = 0.12, 0.08


def random_sentence(draw: np.random.Generator) -> str:
    """One to four words."""
    return " ".join(draw.choice(list(PRONUNCIATIONS), size=draw.integers(1, 5)))


def spoken(text: str, noise: np.random.Generator) -> np.ndarray:
    """The words one after the other, each followed by a pause; float32 ``[samples]``."""
    parts = []
    for word in text.split():
        for phoneme in PRONUNCIATIONS[word].split():
            times = np.arange(int(_PHONEME_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
            parts.append(0.4 * np.sin(2 * np.pi * (300 + 450 * PHONEMES.index(phoneme)) * times))
        parts.append(np.zeros(int(_PAUSE_SECONDS * SAMPLE_RATE)))
    clean = np.concatenate(parts)
    return (clean + 0.01 * noise.standard_normal(len(clean))).astype(np.float32)


def tone_corpus(folder: Path, train: int = 60, held_out: int = 12) -> PreparedCorpus:
    """A prepared corpus of random sentences, and ``tones.dict`` beside it."""
    draw = np.random.default_rng(0)
    utterances, splits = [], {}
    for split, count in (("train", train), ("dev", held_out), ("test", held_out)):
        for number in range(count):
            text = random_sentence(draw)
            name = f"{split}-{number}"
            samples = spoken(text, draw)
            utterances.append(Utterance(name, text, "nobody", lambda samples=samples: samples))
            splits[name] = split
    corpus = prepare("tones", folder, utterances, splits, {"source": "computed", "license": "none"})
    (folder / "tones.dict").write_text("".join(f"{word} {way}\n" for word, way in PRONUNCIATIONS.items()))
    return corpus


def tone_settings(folder: Path, **changes: object) -> dict[str, object]:
    """Settings of a training that learns the language in some twenty seconds."""
    return {
        "corpus": str(folder),
        "dictionaries": [str(folder / "tones.dict")],
        "model": {"preset": "small", "width": 24, "blocks": 1, "heads": 2, "feed_forward": 48, "kernel": 9},
        "optimizer": {"learning_rates": [1e-3, 8e-3, 1e-3, 1e-4], "phases": [0.2, 0.6, 0.2]},
        "augmentation": {"speeds": [1.0], "time_mask_frames": 2, "frequency_mask_bins": 2},
        "seconds_per_batch": 10.0,
        "epochs": 3,
        "average": 2,
        **changes,
    }
