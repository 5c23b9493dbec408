"""What the version before this one wrote is read: every file here is of its making, ``tests/files/asr-0.1``."""

import json
import re
import shutil
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import torch

from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.training.folder import SETTINGS, STATE
from memrix.asr.training.loop import train
from memrix.asr.training.news import Epoch
from memrix.asr.training.settings import OptimizerSettings, TrainingSettings
from memrix.asr.training.state import read_state
from memrix.errors import CheckpointError, SettingsError
from tests.asr.tones import tone_corpus

FILES = Path(__file__).parents[1] / "files" / "asr-0.1"


def test_an_unpacked_recognizer_with_low_bit_weights():
    recognizer, training = load_recognizer(FILES / "recognizer.safetensors")
    assert recognizer.description["hardware"]["weight_bits"] == 3
    assert recognizer.description["hardware"]["dac"]["levels"] == "linearizing"
    assert training["settings"]["method"] == "quantization-aware"
    with torch.no_grad():
        found, _ = recognizer(torch.linspace(-0.1, 0.1, 4000).sin().unsqueeze(0), torch.tensor([4000]))
    assert found.exp().sum(dim=2).allclose(torch.ones(()), atol=1e-4)


def test_a_training_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)
    corpus = tone_corpus(tmp_path / "tones", train=4, held_out=2).folder
    folder = shutil.copytree(FILES / "training", tmp_path / "training")
    kept = (folder / SETTINGS).read_text().replace("/corpora/tones", str(corpus))
    (folder / SETTINGS).write_text(kept)
    table = {name: value for name, value in json.loads(kept).items() if not name.endswith("sha256")}
    assert "optimiser" in table
    news = []
    result = train(TrainingSettings.from_dict(table), folder, news.append)
    assert [item.epoch for item in news if isinstance(item, Epoch)] == [1]
    history = load_recognizer(result)[1]["epochs"]
    assert history[0] == read_state(FILES / "training" / STATE)["history"][0]
    other = TrainingSettings.from_dict({**table, "optimiser": {**table["optimiser"], "weight_decay": 0.5}})
    with pytest.raises(CheckpointError, match="optimizer: "):
        train(other, folder)


def test_the_description_of_a_corpus(tmp_path):
    shutil.copy(FILES / "corpus.json", tmp_path)
    assert '"licence"' in (FILES / "corpus.json").read_text()
    assert open_corpus(str(tmp_path)).description["license"] == "none"


def test_a_recipe_of_one_s_own(tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[optimiser]\nlearning_rates = [1e-5, 1e-4]\nphases = [1.0]\n")
    settings = TrainingSettings.load(recipe)
    assert settings == TrainingSettings(optimizer=OptimizerSettings(learning_rates=(1e-5, 1e-4), phases=(1.0,)))
    with pytest.warns(DeprecationWarning, match="use TrainingSettings.optimizer"):
        assert settings.optimiser is settings.optimizer
    recipe.write_text("[optimiser]\nweight_decay = 0.1\n[optimizer]\nweight_decay = 0.2\n")
    assert len(tomllib.loads(recipe.read_text())) == 2
    with pytest.raises(SettingsError, match="there is no setting 'optimiser'"):
        TrainingSettings.load(recipe)


def test_settings_of_an_experiment():
    with pytest.warns(DeprecationWarning, match=re.escape("ExperimentSettings.recognizer")):
        settings = ExperimentSettings(recogniser="a.safetensors")
    assert settings.recognizer == "a.safetensors"
    with pytest.warns(DeprecationWarning, match=re.escape("ExperimentSettings.model")):
        assert ExperimentSettings(size="medium").model == "medium"


@pytest.mark.parametrize(
    ("module", "former", "present"),
    [
        ("recogniser", "Recogniser", "recognizer.Recognizer"),
        ("recogniser_files", "load_recogniser", "recognizer_files.load_recognizer"),
        ("recogniser_files", "save_recogniser", "recognizer_files.save_recognizer"),
        ("recogniser_files", "load_weights", "recognizer_files.load_weights"),
        ("corpora.catalogue", "prepare_corpus", "corpora.catalog.prepare_corpus"),
        ("whisper.recognizer", "load_recognizer", "seq2seq.pretrained.load_seq2seq"),
        ("whisper.evaluation", "evaluate", "evaluation.run.evaluate"),
        ("whisper.settings", "EvaluationSettings", "evaluation.settings.EvaluationSettings"),
        ("whisper.results", "summarize", "evaluation.results.summarize"),
        ("whisper.reporting", "SilentReporter", "evaluation.reporting.Reporter"),
        ("experiment.trained", "shipped_recognisers", "trained_recognizers.shipped_recognizers"),
        ("experiment.trained", "open_trained", "trained_recognizers.open_trained"),
        ("training.calibration", "calibrate_recogniser", "training.stages.calibrate_recognizer"),
        ("training.settings", "OptimiserSettings", "training.settings.OptimizerSettings"),
        ("corpora.transcripts", "normalised", "corpora.transcripts.normalized"),
        ("text", "normalise", "text.normalize"),
        ("evaluation.results", "summarise", "evaluation.results.summarize"),
    ],
)
def test_names_that_were_spelled_otherwise(module, former, present):
    home, _, name = present.rpartition(".")
    with pytest.warns(DeprecationWarning, match=re.escape(f"use memrix.asr.{present}")):
        found = getattr(import_module(f"memrix.asr.{module}"), former)
    assert found is getattr(import_module(f"memrix.asr.{home}"), name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        import_module(f"memrix.asr.{module}").__getattr__("nothing")
