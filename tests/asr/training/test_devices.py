"""What a machine does not have is said before a training begins."""

import pytest
import torch
from lightning.fabric.accelerators import CUDAAccelerator, MPSAccelerator

from memrix.asr.training.folder import RESULT, SETTINGS
from memrix.asr.training.loop import train
from memrix.asr.training.settings import TrainingSettings
from memrix.asr.training.setup import require_devices
from memrix.errors import SettingsError
from tests.asr.tones import tone_corpus


@pytest.fixture
def machine(monkeypatch):
    def has(*, cuda=0, mps=0, instructions=()):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(instructions, True))
        monkeypatch.setattr(CUDAAccelerator, "auto_device_count", lambda: cuda)
        monkeypatch.setattr(MPSAccelerator, "is_available", lambda: bool(mps))

    has()
    return has


def require(**settings):
    require_devices(TrainingSettings.from_dict(settings))


@pytest.mark.parametrize("accelerator", ["cuda", "mps"])
def test_an_accelerator_that_is_not_there(machine, accelerator):
    with pytest.raises(SettingsError, match=f"accelerator '{accelerator}': .*no accelerator besides its CPU; take"):
        require(accelerator=accelerator)
    machine(**{accelerator: 1})
    require(accelerator=accelerator)
    require(accelerator=accelerator, precision="bf16")


@pytest.mark.parametrize("accelerator", ["cuda", "auto"])
def test_more_devices_than_there_are(machine, accelerator):
    machine(cuda=2)
    require(accelerator=accelerator, devices=2)
    with pytest.raises(SettingsError, match="devices 3 of 'cuda': this machine has 2 of 'cuda'"):
        require(accelerator=accelerator, devices=3)


def test_processes_on_a_cpu_are_as_many_as_one_likes(machine):
    require(devices=64)
    require(accelerator="cpu", devices=64)


def test_half_precision_needs_a_gpu_or_a_cpu_that_is_made_for_it(machine):
    with pytest.raises(SettingsError, match=r"precision 'bf16' needs a GPU or a CPU .* 'auto' is a CPU without"):
        require(precision="bf16")
    machine(cuda=1)
    require(precision="bf16")
    with pytest.raises(SettingsError, match="this machine has 1 of 'cuda'; take precision '32'"):
        require(precision="bf16", accelerator="cpu")
    machine(instructions=["avx2", "avx512_bf16"])
    require(precision="bf16")


def test_nothing_is_written_where_a_training_cannot_run(machine, tmp_path):
    with pytest.raises(SettingsError, match="cannot run here"):
        train(TrainingSettings.from_dict({"corpus": str(tmp_path), "accelerator": "cuda"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_trained_needs_no_accelerator(machine, tmp_path):
    corpus = tone_corpus(tmp_path / "corpus", train=2, held_out=1).folder
    settings = TrainingSettings.from_dict({"corpus": str(corpus), "precision": "bf16"})
    with pytest.raises(SettingsError, match="cannot run here"):
        train(settings, tmp_path)
    (tmp_path / RESULT).touch()
    assert train(settings, tmp_path) == tmp_path / RESULT
    assert (tmp_path / SETTINGS).is_file()
