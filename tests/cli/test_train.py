import shutil

import pytest

from memrix.asr.training.settings import TrainingSettings
from memrix.cli.main import EXIT_ERROR, main
from tests.asr.tones import tone_corpus

SETTINGS = """
corpus = "{corpus}"
dictionaries = ["{corpus}/tones.dict"]
epochs = 1
seconds_per_batch = 10.0

[model]
preset = "small"
width = 16
blocks = 1
heads = 2
feed_forward = 16
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), train=12, held_out=3).folder


def test_a_recognizer_from_a_file_of_settings(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)
    config = tmp_path / "config.toml"
    config.write_text(SETTINGS.format(corpus=corpus))
    assert main(["train", "--config", str(config), "--output", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().err
    assert "12 utterances to learn from, 3 held out" in said
    assert "label error rate" in said
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_every_problem_of_a_file_is_said(tmp_path, capsys):
    config = tmp_path / "config.toml"
    config.write_text(
        'epohs = 3\nepochs = "many"\n[model]\npreset = "smal"\n[hardware]\npreset = "paper"\nweight_bit = 3\n'
    )
    assert main(["train", "--config", str(config), "--output", str(tmp_path / "run")]) == EXIT_ERROR
    said = capsys.readouterr().err
    for part in ("did you mean 'epochs'", "'many'", "did you mean 'small'", "did you mean 'weight_bits'"):
        assert part in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), ("epochs = ", "not valid TOML")])
def test_no_settings(tmp_path, capsys, content, message):
    config = tmp_path / "config.toml"
    if content is not None:
        config.write_text(content)
    assert main(["train", "--config", str(config), "--output", str(tmp_path / "run")]) == EXIT_ERROR
    assert message in capsys.readouterr().err


def test_a_recipe_of_memrix_is_named_by_its_size(corpus, tmp_path, monkeypatch, capsys):
    trained = []
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "memrix.asr.training.loop.train", lambda settings, folder, report: trained.append(settings) or folder
    )
    folder = tmp_path / "cache" / "corpora" / "queen"
    shutil.copytree(corpus, folder)
    assert main(["train", "--config", "small", "--output", str(tmp_path / "run")]) == 0
    assert (trained[0].epochs, trained[0].average, trained[0].model.width) == (60, 8, 144)


def test_a_file_wins_over_a_recipe_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").write_text("epochs = 3\n")
    assert TrainingSettings.load("small").epochs == 3
    assert TrainingSettings.load("medium").epochs != 3


def test_a_wrong_name_lists_the_recipes_that_exist(tmp_path, capsys):
    assert main(["train", "--config", "smll", "--output", str(tmp_path / "run")]) == EXIT_ERROR
    said = capsys.readouterr().err
    assert "(did you mean 'small'?)" in said
    assert "recipes librispeech, medium, paper, small" in said


def test_a_corpus_that_was_not_prepared(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    config = tmp_path / "config.toml"
    config.write_text('corpus = "tedlium9"\n')
    assert main(["train", "--config", str(config), "--output", str(tmp_path / "run")]) == EXIT_ERROR
    assert "memrix corpus prepare tedlium9" in capsys.readouterr().err
