"""An attacker's trace, and sound corpora and models that tests turn into attacks."""

import builtins
import shutil

import pytest

from memrix.asr.models.settings import build_network, model_settings
from tests.asr.attacks.vectors import (
    Trace,
)
from tests.asr.tones import tone_corpus


@pytest.fixture
def trace(tmp_path):
    return Trace(tmp_path)


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch, tmp_path):
    def ask(*_):
        raise AssertionError("a question was asked")

    monkeypatch.setattr(builtins, "input", ask)
    monkeypatch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), train=6, held_out=2).folder


@pytest.fixture
def attacked(tones, tmp_path):
    return shutil.copytree(tones, tmp_path / "corpus")


@pytest.fixture(scope="module")
def ctc_folder(tmp_path_factory):
    """A small CTC model as transformers saves it."""
    folder = tmp_path_factory.mktemp("ctc")
    config = {
        "model_type": "parakeet_ctc",
        "encoder_config": {
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "subsampling_conv_channels": 8,
        },
    }
    build_network(model_settings({"kind": "transformers", "config": config}), 13).model.save_pretrained(folder)
    return folder
