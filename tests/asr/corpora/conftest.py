"""A cache of its own for every test of corpora, and a dictionary that is not fetched."""

import pytest

WORDS = (
    "hello you cannot fly take me with right now good morning sir who are it is a rock nice out there one two three"
)
DICTIONARY = {word: (("AH", "T"),) for word in WORDS.split()}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEMRIX_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def dictionary(monkeypatch):
    monkeypatch.setattr("memrix.asr.pronunciation.cmu_dictionary", lambda: DICTIONARY)
    monkeypatch.setattr("memrix.asr.corpora.queen.cmu_dictionary", lambda: DICTIONARY)
    return DICTIONARY
