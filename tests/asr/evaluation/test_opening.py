"""Recognizers by name: those that write words themselves, and those that find them by a language model."""

import numpy as np
import pytest
import soundfile

import memrix
from memrix.asr.evaluation.opening import open_writer
from memrix.asr.scoring import count_errors
from memrix.asr.transcribing.run import transcribe_files
from memrix.asr.transcribing.settings import TranscriptionSettings
from memrix.asr.transcribing.transcriber import Transcriber
from memrix.errors import SettingsError


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    path = tmp_path_factory.mktemp("noise") / "noise.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(16_000), 16_000)
    return path


@pytest.fixture(scope="module")
def low_bit():
    return Transcriber.open("queen-small", weight_bits=3)


def test_bits_say_which_of_several_recognizers(low_bit):
    assert low_bit.weight_bits == 3
    assert low_bit.model.words_by
    with pytest.raises(
        SettingsError, match="recognizers with weights of 4, 3 bits and in float, and weight_bits is 7"
    ):
        open_writer("queen-small", 7)


def test_a_ctc_recognizer_finds_words_of_its_lexicon(low_bit, noise):
    words = low_bit.transcribe(noise).text.split()
    assert set(words) <= set(low_bit.model.labels.pronunciations)
    chip = low_bit.on_chip(memrix.Hardware.preset("ideal"), [noise])
    assert chip.weight_bits == 3
    assert chip.transcribe(noise).text == low_bit.transcribe(noise).text


def test_bits_need_no_chip_where_they_say_which_recognizer(noise, tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path))
    result = transcribe_files(TranscriptionSettings("queen-small", weight_bits=4), [noise])
    assert [(row.execution, row.weight_bits) for row in result.rows] == [("quantized", 4)]


@pytest.mark.slow
def test_a_line_of_the_game_is_transcribed_at_3_bits_and_on_a_chip(low_bit):
    from memrix.asr.corpora.catalog import load_corpus

    spoken = [u for u in load_corpus("queen").utterances if len(u.text.split()) > 5][:8]
    chip = low_bit.on_chip(memrix.Hardware.preset("physical"), [u.audio for u in spoken])
    for transcriber in (low_bit, chip):
        counts = [count_errors(u.text, transcriber.transcribe(u.audio).text) for u in spoken]
        assert sum(count.errors for count in counts) < 0.5 * sum(count.words for count in counts)
