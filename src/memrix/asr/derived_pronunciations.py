"""Pronunciations derived from spelling, for English words that no dictionary has.

The model is that of g2p-en (K. Park and J. Kim, 2019, Apache License 2.0): an encoder and a decoder of one GRU each,
trained on the CMU dictionary, letters in, phonemes out. Its package downloads other data as it is imported, so that
the weights alone are taken from its wheel, and run by torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from memrix.asr.corpora.prepared import PreparedCorpus
from memrix.asr.files import write_whole
from memrix.asr.outside import plain_text
from memrix.asr.packages import fetch_from_wheel
from memrix.asr.pronunciation import DERIVED, Pronunciations, missing_words, pronounced_words

_WEIGHTS = ("g2p-en==2.1.0", "g2p_en/checkpoint20.npz")
_SHA256 = "b8af35e4596d8dd5836dfd3fe9b2ba4f97b9c311efe8879544cbcfcbd566d8c6"

_WORD = re.compile("[a-z']{1,40}")
_POSSESSIVE = "'s"
_VOICELESS, _SIBILANTS = {"P", "T", "K", "F", "TH"}, {"S", "Z", "SH", "ZH", "CH", "JH"}
_OTHER, _END_OF_WORD, _FIRST_LETTER = 1, 2, 3  # numbers of inputs; 0 pads
_START, _END, _FIRST_PHONEME = 2, 3, 4  # numbers of outputs
_MOST_PHONEMES = 40

_NAMES = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
_STRESSES = {**{name: 3 for name in _NAMES.split() if name[0] in "AEIOU"}, "UW": 4}
_PHONEMES = tuple(name for name in _NAMES.split() for _ in range(_STRESSES.get(name, 1)))
"""Of the outputs, without the stress of vowels: three kinds of it each, and UW without it as well."""


def write_derived(corpus: PreparedCorpus) -> tuple[dict[str, tuple[tuple[str, ...], ...]], list[str]]:
    """Add pronunciations of words that have none to a file of the corpus, which its trainings and evaluations read.

    What is in the file stays, so that it may be corrected by hand.

    Returns:
        what was added, and words for which nothing was found.

    Raises:
        DataError: the corpus or a dictionary of it cannot be used, or its folder cannot be written to.
        AssetError: the CMU dictionary or the model cannot be fetched.
    """
    known = pronounced_words(corpus)
    texts = (cut.supervisions[0].text for split in corpus.splits for cut in corpus.cuts(split))
    missing = missing_words(texts, known)
    derived = derived_pronunciations(missing, known)
    path = corpus.folder / DERIVED
    kept = plain_text(path) if path.is_file() else ""
    if derived:
        lines = [f"{word} {' '.join(way)}" for word, ways in derived.items() for way in ways]
        write_whole(path, "\n".join([*kept.splitlines(), *lines, ""]).encode())
    return derived, [word for word in missing if word not in derived]


def derived_pronunciations(words: Iterable[str], known: Pronunciations) -> dict[str, tuple[tuple[str, ...], ...]]:
    """One pronunciation for each word of ``[a-z']``, in the phonemes of the CMU dictionary, without stress.

    A possessive ends as its word has it in ``known``, where that is there. Words for which the model finds no end are
    left out. Which other words are asked for does not matter.

    Raises:
        AssetError: the model cannot be fetched.
    """
    found = {}
    for word in words:
        stem = word.removesuffix(_POSSESSIVE)
        if word != stem and stem in known:
            found[word] = tuple((*way, *_possessive(way[-1])) for way in known[stem])
        elif _WORD.fullmatch(word) and (way := _model().pronounce(word)):
            found[word] = (way,)
    return found


def _possessive(last: str) -> tuple[str, ...]:
    if last in _SIBILANTS:
        return ("IH", "Z")
    return ("S",) if last in _VOICELESS else ("Z",)


class _Model(nn.Module):
    """Letters to phonemes, one after the other.

    Args:
        weights: as the checkpoint has them.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        (letters, width), phonemes = weights["enc_emb"].shape, len(weights["dec_emb"])
        self.letters, self.phonemes = nn.Embedding(letters, width), nn.Embedding(phonemes, width)
        self.encoder, self.decoder = nn.GRUCell(width, width), nn.GRUCell(width, width)
        self.output = nn.Linear(width, phonemes)
        parts = {
            "enc_emb": "letters.weight",
            "dec_emb": "phonemes.weight",
            "fc_w": "output.weight",
            "fc_b": "output.bias",
        }
        for short, long in (("enc", "encoder"), ("dec", "decoder")):
            for kind, name in (("w", "weight"), ("b", "bias")):
                parts |= {f"{short}_{kind}_{gate}": f"{long}.{name}_{gate}" for gate in ("ih", "hh")}
        self.load_state_dict({parts[name]: weight for name, weight in weights.items()})

    @torch.inference_mode()
    def pronounce(self, word: str) -> tuple[str, ...]:
        """Phonemes of a word; none where no end is found."""
        letters = [_OTHER if sign == "'" else ord(sign) - ord("a") + _FIRST_LETTER for sign in word]
        state = torch.zeros(self.encoder.hidden_size)
        for embedded in self.letters(torch.tensor([*letters, _END_OF_WORD])):
            state = self.encoder(embedded, state)
        said: list[str] = []
        last = _START
        while len(said) < _MOST_PHONEMES:
            state = self.decoder(self.phonemes.weight[last], state)
            last = int(self.output(state).argmax())
            if last < _FIRST_PHONEME:
                return tuple(said) if last == _END else ()
            said.append(_PHONEMES[last - _FIRST_PHONEME])
        return ()


@cache
def _model() -> _Model:
    with np.load(fetch_from_wheel(*_WEIGHTS, _SHA256), allow_pickle=False) as archive:
        return _Model({name: torch.from_numpy(archive[name]) for name in archive.files})
