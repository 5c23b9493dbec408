"""CTC models of transformers go through the same recipe: in float, with low-bit weights, from a checkpoint."""

import pytest
import torch

import memrix
from memrix.asr.recognizer_files import chip_choice, load_recognizer
from memrix.asr.training.loop import train
from memrix.asr.training.settings import TrainingSettings
from tests.asr.models.test_transformers_ctc import CONFIGS
from tests.asr.tones import tone_corpus, tone_settings


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), train=12, held_out=3).folder


@pytest.mark.parametrize("kind", CONFIGS)
def test_from_scratch_to_low_bit_weights_to_a_chip(corpus, tmp_path, monkeypatch, kind):
    monkeypatch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)
    model = {"kind": "transformers", "config": {"model_type": kind, **CONFIGS[kind]}}
    table = tone_settings(corpus, epochs=1, average=1, model=model)
    if kind == "parakeet_ctc":  # it makes a frame of 80 ms, too long for a phoneme of 120 ms and what lies between
        table["labels"] = {"kind": "subwords", "size": 25}
    floating = train(TrainingSettings.from_dict(table), tmp_path / "float")
    del table["model"]
    table |= {
        "method": "quantization-aware",
        "start": str(floating),
        "hardware": {"preset": "paper", "weight_bits": 4},
    }
    recognizer, training = load_recognizer(train(TrainingSettings.from_dict(table), tmp_path / "low-bit"))
    assert training["settings"]["method"] == "quantization-aware"
    hardware = memrix.Hardware.preset("paper").replace(weight_bits=4)
    chip = memrix.program(recognizer.network, chip_choice(recognizer, hardware))
    names = {layer.name for layer in memrix.summary(chip).layers}
    assert names
    assert not [name for name in names if "head" in name or "subsampl" in name or "feature_extractor" in name]
    heard, lengths = recognizer.with_network(chip)(torch.randn(2, 16000), torch.tensor([16000, 9000]))
    assert heard.isfinite().all()
    assert lengths.tolist() == recognizer.frames(torch.tensor([16000, 9000])).tolist()
