"""Two processes follow the history of one."""

import json
import os
import subprocess
import sys

import pytest

from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.training.loop import train
from memrix.asr.training.settings import TrainingSettings
from tests.asr.tones import tone_corpus, tone_settings

PROGRAM = """
import json, sys
import torch
torch.set_num_threads(1)
import memrix.asr.pronunciation as pronunciation
pronunciation.cmu_dictionary = dict
from memrix.asr.training.loop import train
from memrix.asr.training.settings import TrainingSettings
train(TrainingSettings.from_dict(json.load(open(sys.argv[1]))), sys.argv[2])
"""


@pytest.mark.slow
def test_two_processes_learn_as_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr("memrix.asr.pronunciation.cmu_dictionary", dict)
    corpus = tone_corpus(tmp_path / "tones", train=16, held_out=4).folder
    table = tone_settings(corpus, accelerator="cpu", epochs=2)
    table["model"]["dropout"] = 0.0  # the one thing that processes draw apart
    alone = train(TrainingSettings.from_dict(table), tmp_path / "alone")
    (tmp_path / "train.py").write_text(PROGRAM)
    settings = TrainingSettings.from_dict({**table, "devices": 2})
    (tmp_path / "settings.json").write_text(json.dumps(settings.model_dump(mode="json")))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [str(tmp_path / "train.py"), str(tmp_path / "settings.json"), str(tmp_path / "both")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert result.returncode == 0, result.stderr[-2000:]
    one = load_recognizer(alone)[1]["epochs"]
    two = load_recognizer(tmp_path / "both" / "model.safetensors")[1]["epochs"]
    assert [epoch["loss"] for epoch in two] == pytest.approx([epoch["loss"] for epoch in one], rel=2e-3)
    assert [epoch["dev_loss"] for epoch in two] == pytest.approx([epoch["dev_loss"] for epoch in one], rel=2e-3)
