"""A model of an attacker: its code is never run, its pickles never read, and nobody is asked."""

import json

import pytest

from memrix.asr.models.settings import build_network, model_settings
from memrix.asr.seq2seq.pretrained import load_pretrained
from memrix.asr.training.settings import TrainingSettings
from memrix.cli.main import EXIT_ERROR, main
from memrix.errors import AssetError, MemrixError
from tests.asr.attacks.vectors import copied_model, with_settings


def _with_code(folder, trace, file):
    (folder / "evil.py").write_text(trace.python() + "class Evil: pass\n")
    classes = ("AutoConfig", "AutoModel", "AutoModelForCTC", "AutoTokenizer", "AutoFeatureExtractor", "AutoProcessor")
    with_settings(folder, file, auto_map={name: "evil.Evil" for name in classes})


def _with_unknown_architecture(folder, trace):
    _with_code(folder, trace, "config.json")
    with_settings(folder, "config.json", model_type="evil", architectures=["Evil"])


def _with_generation_code(folder, trace):
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(trace.python() + "def generate(*_): pass\n")
    with_settings(folder, "generation_config.json", custom_generate=".")


def _with_pickled_weights(folder, trace, name):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(trace.pickled())


def _with_pickled_shard(folder, trace):
    _with_pickled_weights(folder, trace, "shard.bin")
    index = {"metadata": {}, "weight_map": {"model.encoder.conv1.weight": "shard.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _with_shard_elsewhere(folder, trace):
    _with_pickled_shard(folder, trace)
    index = {"metadata": {}, "weight_map": {"model.encoder.conv1.weight": "../weights.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


MODEL_ATTACKS = {
    "code of the model": (lambda f, t: _with_code(f, t, "config.json"), r"its own code \(auto_map"),
    "code of the tokenizer": (lambda f, t: _with_code(f, t, "tokenizer_config.json"), r"its own code \(auto_map"),
    "code of features": (lambda f, t: _with_code(f, t, "preprocessor_config.json"), r"its own code \(auto_map"),
    "code of the processor": (lambda f, t: _with_code(f, t, "processor_config.json"), r"its own code \(auto_map"),
    "code of generation": (_with_generation_code, r"its own code \(custom_generate"),
    "unknown architecture": (_with_unknown_architecture, r"its own code \(auto_map"),
    "trust": (lambda f, t: with_settings(f, "config.json", trust_remote_code=True), "trusted"),
    "kernel": (lambda f, t: with_settings(f, "config.json", attn_implementation="evil/kernel"), "code of the hub"),
    "kernel, hidden": (lambda f, t: with_settings(f, "config.json", _attn_implementation="evil/k@main:f"), "hub"),
    "quantizer": (lambda f, t: with_settings(f, "config.json", quantization_config={"quant_method": "x"}), "library"),
    "adapter": (lambda f, t: with_settings(f, "adapter_config.json", base_model_name_or_path="evil/x"), "adapter"),
    "pickle": (
        lambda f, t: _with_pickled_weights(f, t, "pytorch_model.bin"),
        "pytorch_model.bin: files that can run",
    ),
    "checkpoint": (lambda f, t: _with_pickled_weights(f, t, "model.ckpt"), "model.ckpt: files that can run"),
    "torch file": (lambda f, t: _with_pickled_weights(f, t, "model.pt"), "model.pt: files that can run"),
    "shard": (_with_pickled_shard, "shard.bin"),
    "shard elsewhere": (_with_shard_elsewhere, "of that folder alone"),
}


@pytest.mark.parametrize("attack", MODEL_ATTACKS)
def test_whisper_is_refused_by_name_and_nothing_runs(whisper_folder, tmp_path, trace, attack):
    folder = copied_model(whisper_folder, tmp_path / "model")
    change, said = MODEL_ATTACKS[attack]
    change(folder, trace)
    with pytest.raises(AssetError, match=said):
        load_pretrained(str(folder))
    assert not trace.was_left


@pytest.mark.parametrize("attack", MODEL_ATTACKS)
def test_a_ctc_model_is_refused_by_name_and_nothing_runs(ctc_folder, tmp_path, trace, attack):
    folder = copied_model(ctc_folder, tmp_path / "model")
    change, said = MODEL_ATTACKS[attack]
    change(folder, trace)
    with pytest.raises(AssetError, match=said):
        build_network(model_settings({"kind": "transformers", "checkpoint": str(folder)}), 13)
    assert not trace.was_left


@pytest.mark.parametrize("attack", MODEL_ATTACKS)
def test_no_command_runs_it(whisper_folder, ctc_folder, tones, tmp_path, trace, attack, recordings, capsys):
    change, _ = MODEL_ATTACKS[attack]
    for number, model in enumerate((whisper_folder, ctc_folder)):
        change(copied_model(model, tmp_path / f"model{number}"), trace)
    table = f'{{kind = "transformers", checkpoint = "{tmp_path}/model1"}}'
    config = tmp_path / "config.toml"
    config.write_text(f'corpus = "{tones}"\ndictionaries = ["{tones}/tones.dict"]\nepochs = 1\nmodel = {table}\n')
    for arguments in (
        [
            "evaluate",
            "--model",
            str(tmp_path / "model0"),
            "--corpus",
            str(recordings),
            "--calibration-clips",
            "2",
        ],
        ["train", "--config", str(config), "--output", str(tmp_path / "run")],
    ):
        assert main(arguments) == EXIT_ERROR, arguments
        assert not trace.was_left, arguments


def test_a_pickled_tokenizer_beside_sound_files_is_not_read(whisper_folder, tmp_path, trace):
    folder = copied_model(whisper_folder, tmp_path / "model")
    for name in ("tokenizer.pkl", "tokenizer.bin", "vocab.pkl", "feature_extractor.pkl", "pytorch_model.bin"):
        (folder / name).write_bytes(trace.pickled())
    (folder / "__init__.py").write_text(trace.python())
    assert load_pretrained(str(folder)).source.endswith(" of model.safetensors")
    assert not trace.was_left


def test_a_tokenizer_of_another_class_is_not_looked_up(whisper_folder, tmp_path, trace):
    folder = copied_model(whisper_folder, tmp_path / "model")
    with_settings(folder, "tokenizer_config.json", tokenizer_class="RagTokenizer")
    assert type(load_pretrained(str(folder)).tokenizer).__name__ in (
        "PreTrainedTokenizerFast",
        "TokenizersBackend",
    )


def test_a_folder_of_pickles_says_how_to_convert_it(whisper_folder, tmp_path, trace):
    folder = copied_model(whisper_folder, tmp_path / "model")
    _with_pickled_weights(folder, trace, "pytorch_model.bin")
    with pytest.raises(AssetError, match=r"If you trust whoever wrote them, convert them: .*save_pretrained\("):
        load_pretrained(str(folder))


def test_settings_of_a_training_name_no_code():
    for config in ({"auto_map": {"AutoConfig": "evil/x--e.E"}}, {"_attn_implementation": "evil/kernel"}):
        table = {"model": {"kind": "transformers", "config": {"model_type": "parakeet_ctc", **config}}}
        with pytest.raises(MemrixError, match="which memrix never runs"):
            TrainingSettings.from_dict(table)


def test_a_pickle_is_an_attack(trace):
    import pickle

    pickle.loads(trace.pickled())
    assert trace.was_left
