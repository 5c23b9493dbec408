"""Sequence-to-sequence models other than Whisper by name: what loads, and what is refused."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import soundfile
import torch
from tokenizers import Tokenizer

from memrix.asr.corpora.catalog import load_corpus
from memrix.asr.corpus import Utterance
from memrix.asr.evaluation.batches import batch_of
from memrix.asr.evaluation.run import evaluate
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.recognizer_files import load_recognizer, open_recognizer, save_recognizer
from memrix.asr.seq2seq.pretrained import load_pretrained, load_pretrained_seq2seq, speech_model_of
from memrix.cli.main import main
from memrix.errors import AssetError
from tests.conftest import LETTERS

END = len(LETTERS)


@pytest.fixture(scope="module")
def moonshine(whisper_folder, tmp_path_factory):
    """A Moonshine of random weights, which takes audio of any length, with the letters of the tiny Whisper."""
    from transformers import MoonshineConfig, MoonshineForConditionalGeneration, Wav2Vec2FeatureExtractor

    folder = tmp_path_factory.mktemp("moonshine")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 64, "vocab_size": END + 3}
    sizes |= {f"{side}_num_hidden_layers": 1 for side in ("encoder", "decoder")}
    sizes |= {f"{side}_num_{kind}_heads": 2 for side in ("encoder", "decoder") for kind in ("attention", "key_value")}
    tokens = {"decoder_start_token_id": END + 1, "eos_token_id": END, "bos_token_id": END + 1, "pad_token_id": END}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        MoonshineForConditionalGeneration(MoonshineConfig(**sizes, **tokens)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(whisper_folder / name, folder)
    return folder


@pytest.fixture(scope="module")
def model(moonshine):
    return load_pretrained_seq2seq(str(moonshine))


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for name, seconds, text in (("a", 0.4, "cab"), ("b", 1.0, "a bee")):
        audio = 0.1 * torch.randn(int(seconds * 16_000), generator=torch.Generator().manual_seed(len(text)))
        soundfile.write(folder / f"{name}.wav", audio.numpy(), 16_000)
        made.append(Utterance(name, folder / f"{name}.wav", text))
    return made


def test_padding_is_heard_by_nobody(model, utterances):
    batch = batch_of(model, utterances)
    assert model.window is None
    encoded = model.encode(batch)
    short = batch._replace(**{name: getattr(batch, name)[:1] for name in ("texts", "samples", "targets", "audio")})
    short = short._replace(ids=batch.ids[:1], target_counts=batch.target_counts[:1])
    frames = int(encoded[0].ne(0).any(dim=1).sum())
    assert frames < encoded.shape[1]
    losses = model.reference_loss(batch, encoded)[0]
    torch.testing.assert_close(model.reference_loss(short, encoded[:1, :frames])[0], losses[:1], rtol=1e-5, atol=1e-5)
    assert model.transcribe(short, encoded[:1, :frames]) == model.transcribe(batch, encoded)[:1]


def test_its_loss_is_that_of_training(model, utterances):
    batch = batch_of(model, utterances)
    total = model.loss(model.outputs(batch), batch)
    known = model.reference_loss(batch, model.encode(batch))[0].sum()
    torch.testing.assert_close(total.double(), known, rtol=1e-4, atol=1e-4)


def test_it_is_evaluated_and_survives_a_file(model, kept_recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    given = {"weight_bits": (8,), "limit": 3, "calibration_clips": 2, "batch_size": 2}
    settings = EvaluationSettings("moonshine", hardware=("ideal",), **given)
    result = evaluate(settings, model, load_corpus(str(kept_recordings)))
    _, quantized, chip = result.rows
    assert chip.loss == pytest.approx(quantized.loss, rel=1e-3)
    assert chip.cells > 0
    save_recognizer(tmp_path / "model.safetensors", model)
    again = load_recognizer(tmp_path / "model.safetensors")[0]
    assert again.decoding == model.decoding
    assert open_recognizer(str(tmp_path / "model.safetensors")).source.endswith(" of model.safetensors")


@pytest.fixture
def folder(moonshine, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(moonshine, tmp_path / "moonshine")


def with_settings(folder, name, **changes):
    table = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**table, **changes}))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("bert", "is a 'bert' model, which does not write down speech"),
        (None, "is a None model, which does not write down speech"),
        ("wav2vec2", r"is a CTC model \(wav2vec2\); train one with labels of your own from it"),
    ],
)
def test_a_model_that_writes_no_speech_is_named(folder, kind, said, kept_recordings, capsys):
    with_settings(folder, "config.json", model_type=kind)
    with pytest.raises(AssetError, match=said):
        load_pretrained(str(folder))
    assert main(["evaluate", "--model", str(folder), "--corpus", str(kept_recordings)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def with_tokens(folder, count):
    """Give a folder a tokenizer of so many tokens."""
    table = json.loads((folder / "tokenizer.json").read_text())
    table["added_tokens"] = []
    table["model"]["vocab"] = {"'": 0, **{f"t{number}": number for number in range(1, count)}}
    (folder / "tokenizer.json").write_text(Tokenizer.from_str(json.dumps(table)).to_str())


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (END + 9, r"tokens up to number 36, and its decoder writes 31"),
        (9, r"tokens up to number 8, and its decoder ends texts with number 28"),
    ],
)
def test_a_tokenizer_of_another_model_is_named(folder, tokens, said):
    with_tokens(folder, tokens)
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(AssetError, match=said):
        load_pretrained(str(folder))


def test_what_a_decoder_begins_with_must_be_said(moonshine):
    silent = SimpleNamespace(config=SimpleNamespace(model_type="moonshine"), generation_config=None)
    with pytest.raises(AssetError, match="mine does not say which tokens its decoder begins and ends with"):
        speech_model_of(replace(load_pretrained(str(moonshine)), model=silent), "mine")


def test_features_at_another_rate_are_refused(folder):
    with_settings(folder, "preprocessor_config.json", sampling_rate=8000)
    with pytest.raises(AssetError, match="8000 samples a second, expected 16000"):
        load_pretrained(str(folder))
