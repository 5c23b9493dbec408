"""Recordings transcribed by a small random Whisper: in float, with low-bit weights, on a chip."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

import memrix
from memrix.asr.recognizer_files import quantize_recognizer, save_recognizer
from memrix.asr.transcribing.run import transcribe_files
from memrix.asr.transcribing.settings import TranscriptionSettings
from memrix.asr.transcribing.transcriber import Transcriber
from memrix.asr.transcribing.windows import windows_of
from memrix.errors import AssetError, CheckpointError, DataError, SettingsError
from tests.asr.mutated.test_recognizers import phonemes, small

IDEAL = memrix.Hardware.preset("ideal").replace(weight_bits=6)
TUNED = memrix.Hardware.preset("tuned").replace(weight_bits=3)
PHYSICAL = memrix.Hardware.preset("physical").replace(weight_bits=6)
DOCUMENT = Path(__file__).parents[3] / "docs" / "transcribing.md"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """One of two windows and one of one, at other rates and in stereo."""
    folder = tmp_path_factory.mktemp("recordings")
    generator = np.random.default_rng(0)
    paths = []
    for name, seconds, rate, channels in (("talk", 32.0, 8000, 1), ("word", 1.0, 22_050, 2)):
        noise = 0.1 * generator.standard_normal((round(seconds * rate), channels))
        soundfile.write(folder / f"{name}.wav", noise, rate)
        paths.append(folder / f"{name}.wav")
    return paths


@pytest.fixture(scope="module")
def floating(whisper_folder):
    return Transcriber.open(whisper_folder)


@pytest.fixture(scope="module")
def low_bit(floating, recordings, tmp_path_factory):
    """The file of a recognizer with trained ranges and 3-bit weights, packed onto its base."""
    model = copy.deepcopy(floating.model)
    quantize_recognizer(model, TUNED, memrix.Quantization())
    memrix.calibrate(model.network, floating._inputs(recordings), model.chip_choice(TUNED))
    save_recognizer(path := tmp_path_factory.mktemp("low") / "3.safetensors", model, packed=True, base=floating.model)
    return path


def test_windows_are_transcribed_one_after_the_other(floating, recordings):
    found = floating.transcribe(recordings[0])
    windows = list(windows_of(recordings[0]))
    assert [(segment.start, segment.end) for segment in found.segments] == [(w.start, w.end) for w in windows]
    alone = Transcriber(floating.model, batch_size=1).transcribe(recordings[0])
    assert alone.segments == found.segments
    assert found.text == " ".join(segment.text for segment in found.segments)
    assert found.seconds == 32.0
    assert len(found.text) > 20


def test_silent_windows_have_no_text(floating, tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(160_000)
    soundfile.write(path := tmp_path / "pause.wav", np.concatenate([noise, np.zeros(960_000), noise]), 16_000)
    assert [bool(segment.text) for segment in floating.transcribe(path).segments] == [True, False, True]


def test_an_ideal_chip_is_the_quantized_recognizer(floating, low_bit, recordings):
    quantized = Transcriber.open(low_bit)
    assert quantized.weight_bits == 3
    chip = quantized.on_chip(IDEAL.replace(dac=TUNED.dac), recordings)
    assert chip.weight_bits == 3
    assert chip.transcribe(recordings[0]).segments == quantized.transcribe(recordings[0]).segments


def test_a_chip_reads_the_same_whatever_it_read_before(floating, recordings):
    chip = floating.on_chip(PHYSICAL, recordings, seed=3)
    first = chip.transcribe(recordings[0])
    chip.transcribe(recordings[1])
    assert chip.transcribe(recordings[0]).segments == first.segments
    again = floating.on_chip(PHYSICAL, recordings, seed=3)
    assert again.transcribe(recordings[0]).segments == first.segments
    with pytest.raises(SettingsError, match="runs on a chip already"):
        chip.on_chip(PHYSICAL, recordings)


def test_the_recognizer_is_left_as_it_was(floating, recordings):
    before = {name: value.clone() for name, value in floating.model.state_dict().items()}
    floating.on_chip(PHYSICAL, recordings)
    assert all(torch.equal(value, before[name]) for name, value in floating.model.state_dict().items())


def test_float_beside_chip(whisper_folder, recordings):
    rows = []
    settings = TranscriptionSettings(model=str(whisper_folder), hardware="physical", weight_bits=6)
    result = transcribe_files(settings, recordings, finished=rows.extend)
    assert [(row.execution, Path(row.transcript.file).stem) for row in result.rows] == [
        ("float", "talk"),
        ("chip", "talk"),
        ("float", "word"),
        ("chip", "word"),
    ]
    assert tuple(rows) == result.rows
    assert [(row.hardware, row.weight_bits, row.chip) for row in result.rows[:2]] == [
        (None, None, None),
        ("physical", 6, 0),
    ]
    assert result.hardware is not None
    assert result.hardware["weight_bits"] == 6


def test_short_recordings_share_a_batch(floating, whisper_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    paths, batches, generator = [], [], np.random.default_rng(1)
    for name in "abcde":
        soundfile.write(path := tmp_path / f"{name}.wav", 0.1 * generator.standard_normal(8000), 16_000)
        paths.append(path)
    soundfile.write(silent := tmp_path / "silent.wav", np.zeros(8000), 16_000)
    alone = [floating.transcribe(path) for path in paths]
    segments = Transcriber.segments
    monkeypatch.setattr(Transcriber, "segments", lambda self, some: batches.append(some) or segments(self, some))
    result = transcribe_files(TranscriptionSettings(str(whisper_folder)), [*paths[:2], silent, *paths[2:]])
    assert [[window.path.stem for window in some] for some in batches] == [["a", "b", "c", "d"], ["e"]]
    assert [row.transcript.segments for row in result.rows] == [each.segments for each in alone]
    assert len(result.problems) == 1


def test_a_chip_of_a_trained_recognizer_has_its_bits(low_bit, recordings):
    settings = TranscriptionSettings(model=str(low_bit), hardware="physical", chip_only=True)
    result = transcribe_files(settings, recordings[1:])
    assert [(row.execution, row.weight_bits) for row in result.rows] == [("chip", 3)]
    wrong = TranscriptionSettings(model=str(low_bit), hardware="physical", weight_bits=4)
    with pytest.raises(SettingsError, match="was trained with weights of 3 bits, and weight_bits is 4"):
        transcribe_files(wrong, recordings)


def test_files_that_cannot_be_read_are_all_listed_first(tmp_path, recordings):
    (text := tmp_path / "text.wav").write_text("hello")
    settings = TranscriptionSettings(model="no model")
    with pytest.raises(DataError, match=r"2 files cannot be transcribed(.|\n)*no audio file at(.|\n)*as audio"):
        transcribe_files(settings, [recordings[0], tmp_path / "missing.wav", text])
    with pytest.raises(DataError, match="there is nothing to transcribe"):
        transcribe_files(settings, [])
    with pytest.raises(DataError, match=r"word\.wav is given 2 times"):
        transcribe_files(settings, [recordings[1], recordings[1]])


def test_a_silent_file_among_others_is_a_problem_of_the_result(whisper_folder, tmp_path, recordings):
    soundfile.write(path := tmp_path / "silent.wav", np.zeros(8000), 8000)
    result = transcribe_files(TranscriptionSettings(model=str(whisper_folder)), [path, recordings[1]])
    assert [Path(row.transcript.file).stem for row in result.rows] == ["word"]
    assert re.search(r"silent\.wav is silent", result.problems[0])


def test_what_is_no_speech_model_is_refused(tmp_path):
    with pytest.raises(AssetError, match="there is no model 'nonsense'"):
        Transcriber.open("nonsense")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    save_file({"weight": torch.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(AssetError, match="is a 'bert' model, which does not write down speech"):
        Transcriber.open(tmp_path)
    save_recognizer(path := tmp_path / "ctc.safetensors", small(phonemes()))
    with pytest.raises(CheckpointError, match="holds a CTC recognizer, which finds words by a lexicon"):
        Transcriber.open(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_bits": 4}, "weight_bits is a setting of a chip, and there is none"),
        ({"chip_only": True}, "chip_only is a setting of a chip"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"hardware": "papr"}, "did you mean 'paper'"),
    ],
)
def test_settings_that_are_invalid(settings, message):
    with pytest.raises((DataError, SettingsError), match=message):
        TranscriptionSettings(**settings)


def test_the_example_of_the_documentation_runs(whisper_folder, recordings, capsys):
    example = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert example is not None
    lines = [line for line in example[1].splitlines() if line]
    assert len(lines) <= 6
    code = example[1].replace("whisper-tiny.en", str(whisper_folder)).replace("talk.wav", str(recordings[1]))
    exec(code, {})
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.slow
def test_whisper_transcribes_speech_that_is_longer_than_a_window(tmp_path):
    from memrix.asr.corpora.catalog import load_corpus
    from memrix.asr.scoring import count_errors

    spoken = [u for u in load_corpus("asterisk").utterances if 5 < len(u.text.split()) < 15][:12]
    pause = np.zeros(8000, dtype=np.float32)
    audio = np.concatenate([part for utterance in spoken for part in (utterance.samples(), pause)])
    soundfile.write(path := tmp_path / "talk.flac", audio, 16_000)
    found = Transcriber.open().transcribe(path)
    count = count_errors(" ".join(utterance.text for utterance in spoken), found.text)
    assert len(found.segments) > 1
    assert count.errors <= 0.15 * count.words
