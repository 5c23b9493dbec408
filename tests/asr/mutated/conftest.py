"""A place for files, and a corpus."""

import pytest

from tests.asr.tones import tone_corpus


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("mutated")


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), train=2, held_out=2).folder
