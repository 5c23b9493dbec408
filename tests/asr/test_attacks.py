"""Corpora and models of an attacker: nothing of them is executed, whatever reads them."""

import builtins
import contextlib
import json
import shutil
from types import SimpleNamespace

import pytest

from memrix.asr.corpora.catalogue import load_corpus, prepare_corpus
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.models.building import build_network
from memrix.asr.models.settings import model_settings
from memrix.asr.training.loop import train
from memrix.asr.training.settings import TrainingSettings
from memrix.asr.whisper.pretrained import load_pretrained
from memrix.cli.main import EXIT_ERROR, main
from memrix.errors import AssetError, DataError, MemrixError
from tests.asr.attacks import CORPUS_ATTACKS, Trace, copied_model, rewritten, shell_named, sourced, with_settings
from tests.asr.miniature import write_manifests
from tests.asr.tones import tone_corpus, tone_settings

SPLITS = ("train", "dev", "test")


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


def config_of(folder, tmp_path, **settings):
    lines = [f"corpus = {json.dumps(str(folder))}", 'model = "small"', "epochs = 1"]
    path = tmp_path / "config.toml"
    path.write_text("\n".join(lines + [f"{key} = {value}" for key, value in settings.items()]))
    return path


class TestAttackersCorpus:
    @pytest.mark.parametrize("attack", CORPUS_ATTACKS)
    def test_its_cuts_are_refused_by_name_before_anything_is_read(self, attacked, trace, attack):
        change, said = CORPUS_ATTACKS[attack]
        for split in SPLITS:
            rewritten(attacked / f"{split}.jsonl.gz", lambda cut: change(cut, trace))
        corpus = open_corpus(str(attacked))
        for split in SPLITS:
            with pytest.raises(DataError, match=f"line 1: .*{said}"):
                corpus.cuts(split)
        assert not trace.was_left

    @pytest.mark.parametrize("attack", CORPUS_ATTACKS)
    def test_no_entry_runs_it(self, attacked, trace, tmp_path, attack):
        change, _ = CORPUS_ATTACKS[attack]
        for split in SPLITS:
            rewritten(attacked / f"{split}.jsonl.gz", lambda cut: change(cut, trace))
        entries = {
            "evaluate": lambda: load_corpus(str(attacked)),
            "train": lambda: train(TrainingSettings.from_dict(tone_settings(attacked)), tmp_path / "run"),
            "experiment": lambda: run_experiment(ExperimentSettings(corpus=str(attacked)), tmp_path / "experiment"),
            "prepare": lambda: prepare_corpus("mine", attacked, tmp_path / "prepared"),
            "prepare the rest": lambda: prepare_corpus("mine", attacked, tmp_path / "rest", skip_bad=True).cuts(
                "dev"
            ),
        }
        for name, entry in entries.items():
            try:
                entry()
            except MemrixError:
                pass
            else:
                assert name == "prepare the rest"  # the cuts that are no attack
            assert not trace.was_left, name

    @pytest.mark.parametrize("attack", ["command", "pipe", "impulse response", "custom array"])
    def test_no_command_runs_it(self, attacked, trace, tmp_path, attack, whisper_folder, capsys):
        change, _ = CORPUS_ATTACKS[attack]
        for split in SPLITS:
            rewritten(attacked / f"{split}.jsonl.gz", lambda cut: change(cut, trace))
        place, run = str(attacked), str(tmp_path / "run")
        for arguments in (
            ["evaluate", "--model", str(whisper_folder), "--corpus", place],
            ["train", "--config", str(config_of(attacked, tmp_path)), "--output", run],
            ["experiment", "paper", "--corpus", place, "--output", run],
            ["corpus", "show", place],
            ["corpus", "prepare", "mine", "--source", place, "--output", str(tmp_path / "prepared")],
        ):
            assert main(arguments) == EXIT_ERROR, arguments
            assert "line 1: " in capsys.readouterr().err
            assert not trace.was_left, arguments

    @pytest.mark.parametrize("suffix", [".sph", ".opus", ".wav"])
    def test_names_of_files_are_no_lines_of_a_shell(self, attacked, trace, tmp_path, suffix):
        name = shell_named(attacked, trace, suffix)
        for split in SPLITS:
            rewritten(attacked / f"{split}.jsonl.gz", lambda cut: sourced(source=name)(cut, trace))
        cut = next(iter(open_corpus(str(attacked)).cuts("train")))
        with pytest.raises(DataError, match=r"of train-0 cannot be read|shorter"):
            # Of another length than the manifest says, so that it ends in an error where it is read.
            train(TrainingSettings.from_dict(tone_settings(attacked, epochs=1)), tmp_path / "run")
        assert cut.recording.sources[0].source.endswith(name)
        assert not trace.was_left
        assert load_corpus(str(attacked)).utterances[0].samples().size == 16_000

    def test_recordings_lie_inside_of_the_corpus(self, attacked, trace, tmp_path):
        outside = tmp_path / "outside.wav"
        outside.write_bytes((attacked / "audio" / "train-0.wav").read_bytes())
        (attacked / "audio" / "link.wav").symlink_to(outside)
        for name in (str(outside), "../outside.wav", "audio/link.wav", "audio/../../outside.wav"):
            rewritten(attacked / "train.jsonl.gz", lambda cut, name=name: sourced(source=name)(cut, trace))
            with pytest.raises(DataError, match="lies outside of the corpus"):
                open_corpus(str(attacked)).cuts("train")
        with_settings(attacked, "corpus.json", recordings_stay=True)
        assert len(open_corpus(str(attacked)).cuts("train")) == 6

    def test_devices_pipes_and_folders_are_no_recordings(self, attacked, trace):
        import os

        os.mkfifo(attacked / "audio" / "pipe.wav")
        with_settings(attacked, "corpus.json", recordings_stay=True)
        for name in ("/dev/zero", "audio", "audio/pipe.wav"):
            rewritten(attacked / "train.jsonl.gz", lambda cut, name=name: sourced(source=name)(cut, trace))
            with pytest.raises(DataError, match="is no file, but a folder, a pipe or a device"):
                open_corpus(str(attacked)).cuts("train")

    def test_a_manifest_that_unpacks_to_the_memory_is_refused(self, attacked, monkeypatch):
        import gzip

        monkeypatch.setattr("memrix.asr.unpacking.ALWAYS_FINE", 1 << 16)
        for bomb in (b"\n" * (1 << 22), b"x" * (1 << 22)):
            (attacked / "train.jsonl.gz").write_bytes(gzip.compress(bomb))
            with pytest.raises(DataError, match="which no such file"):
                open_corpus(str(attacked)).cuts("train")

    def test_lhotse_would_have_run_it(self, attacked, trace):
        from lhotse import CutSet

        rewritten(attacked / "train.jsonl.gz", lambda cut: CORPUS_ATTACKS["command"][0](cut, trace))
        cut = next(iter(CutSet.from_file(attacked / "train.jsonl.gz")))
        with contextlib.suppress(Exception):  # there is no audio in what the command says
            cut.load_audio()
        assert trace.was_left

    @pytest.mark.parametrize("audio", ["pipe:touch x", "touch x |", "http://example.org/a.wav", "-"])
    def test_a_list_of_files_names_files_alone(self, tmp_path, audio):
        (tmp_path / "list.jsonl").write_text(json.dumps({"audio": audio, "text": "one"}))
        with pytest.raises(DataError, match=r"line 1: its audio .* expected a file"):
            load_corpus(str(tmp_path / "list.jsonl"))


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
    "code of the model": (lambda f, t: _with_code(f, t, "config.json"), r"code of its own \(auto_map"),
    "code of the tokenizer": (lambda f, t: _with_code(f, t, "tokenizer_config.json"), r"code of its own \(auto_map"),
    "code of features": (lambda f, t: _with_code(f, t, "preprocessor_config.json"), r"code of its own \(auto_map"),
    "code of the processor": (lambda f, t: _with_code(f, t, "processor_config.json"), r"code of its own \(auto_map"),
    "code of generation": (_with_generation_code, r"code of its own \(custom_generate"),
    "unknown architecture": (_with_unknown_architecture, r"code of its own \(auto_map"),
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


class TestAttackersModel:
    @pytest.mark.parametrize("attack", MODEL_ATTACKS)
    def test_whisper_is_refused_by_name_and_nothing_runs(self, whisper_folder, tmp_path, trace, attack):
        folder = copied_model(whisper_folder, tmp_path / "model")
        change, said = MODEL_ATTACKS[attack]
        change(folder, trace)
        with pytest.raises(AssetError, match=said):
            load_pretrained(str(folder))
        assert not trace.was_left

    @pytest.mark.parametrize("attack", MODEL_ATTACKS)
    def test_a_ctc_model_is_refused_by_name_and_nothing_runs(self, ctc_folder, tmp_path, trace, attack):
        folder = copied_model(ctc_folder, tmp_path / "model")
        change, said = MODEL_ATTACKS[attack]
        change(folder, trace)
        with pytest.raises(AssetError, match=said):
            build_network(model_settings({"kind": "transformers", "checkpoint": str(folder)}), 13)
        assert not trace.was_left

    @pytest.mark.parametrize("attack", MODEL_ATTACKS)
    def test_no_command_runs_it(self, whisper_folder, ctc_folder, tones, tmp_path, trace, attack, recordings, capsys):
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

    def test_a_pickled_tokenizer_beside_sound_files_is_not_read(self, whisper_folder, tmp_path, trace):
        folder = copied_model(whisper_folder, tmp_path / "model")
        for name in ("tokenizer.pkl", "tokenizer.bin", "vocab.pkl", "feature_extractor.pkl", "pytorch_model.bin"):
            (folder / name).write_bytes(trace.pickled())
        (folder / "__init__.py").write_text(trace.python())
        assert load_pretrained(str(folder)).source.endswith(" of model.safetensors")
        assert not trace.was_left

    def test_a_tokenizer_of_another_class_is_not_looked_up(self, whisper_folder, tmp_path, trace):
        folder = copied_model(whisper_folder, tmp_path / "model")
        with_settings(folder, "tokenizer_config.json", tokenizer_class="RagTokenizer")
        assert type(load_pretrained(str(folder)).tokenizer).__name__ in (
            "PreTrainedTokenizerFast",
            "TokenizersBackend",
        )

    def test_a_folder_of_pickles_says_how_to_convert_it(self, whisper_folder, tmp_path, trace):
        folder = copied_model(whisper_folder, tmp_path / "model")
        _with_pickled_weights(folder, trace, "pytorch_model.bin")
        with pytest.raises(AssetError, match=r"If you trust whoever wrote them, convert them: .*save_pretrained\("):
            load_pretrained(str(folder))

    def test_settings_of_a_training_name_no_code(self):
        for config in ({"auto_map": {"AutoConfig": "evil/x--e.E"}}, {"_attn_implementation": "evil/kernel"}):
            table = {"model": {"kind": "transformers", "config": {"model_type": "parakeet_ctc", **config}}}
            with pytest.raises(MemrixError, match="which memrix never runs"):
                TrainingSettings.from_dict(table)

    def test_a_pickle_is_an_attack(self, trace):
        import pickle

        pickle.loads(trace.pickled())
        assert trace.was_left


class TestAttackersTraining:
    """A folder of a training, given away to be gone on with."""

    @pytest.fixture
    def begun(self, tones, tmp_path):
        settings = TrainingSettings.from_dict(tone_settings(tones, epochs=2, checkpoint_minutes=1e-9))

        class StopError(Exception):
            pass

        def stop(news):
            if getattr(news, "batch", 0) == 0 and getattr(news, "epoch", 0) == 1 and hasattr(news, "rate"):
                raise StopError

        with pytest.raises(StopError):
            train(settings, tmp_path / "run", stop)
        return SimpleNamespace(settings=settings, folder=tmp_path / "run")

    def test_its_state_runs_nothing(self, begun, trace):
        import zipfile

        import torch

        state = begun.folder / "last.ckpt"
        sound = torch.load(state, weights_only=True)
        hidden = begun.folder / "hidden.zip"
        with zipfile.ZipFile(state) as source, zipfile.ZipFile(hidden, "w") as target:
            for entry in source.infolist():
                content = trace.pickled() if entry.filename.endswith("data.pkl") else source.read(entry)
                target.writestr(entry.filename, content)
        attacks = [trace.pickled(), hidden.read_bytes()]
        torch.save({**sound, "history": _Runs(trace)}, hidden)
        attacks.append(hidden.read_bytes())
        for attack in attacks:
            state.write_bytes(attack)
            with pytest.raises(MemrixError, match="damaged"):
                train(begun.settings, begun.folder)
            assert not trace.was_left

    def test_a_state_that_unpacks_to_the_memory_is_refused(self, begun):
        import zipfile

        state = begun.folder / "last.ckpt"
        packed = begun.folder / "packed.zip"
        with (
            zipfile.ZipFile(state) as source,
            zipfile.ZipFile(packed, "w", compression=zipfile.ZIP_DEFLATED) as target,
        ):
            for entry in source.infolist():
                target.writestr(entry.filename, source.read(entry))
        packed.replace(state)
        with pytest.raises(MemrixError, match="its parts are compressed"):
            train(begun.settings, begun.folder)

    def test_a_state_of_other_content_is_refused(self, begun):
        import torch

        state = begun.folder / "last.ckpt"
        sound = torch.load(state, weights_only=True)
        moments = sound["optimiser"]["state"]
        for change, said in (
            ({"epoch": 5}, "epochs in its history"),
            ({"epoch": -1}, "epoch"),
            ({"batch": 1.5}, "batch"),
            ({"loss": float("nan")}, "loss"),
            ({"history": []}, "epochs in its history"),
            ({"history": [{"epoch": 0}]}, "history"),
            ({"extra": 1}, "extra"),
            ({"format": "1"}, "format"),
            ({"recogniser": {**sound["recogniser"], "mean": "x"}}, "mean"),
            ({"optimiser": {"state": {**moments, 10**6: moments[0]}, "param_groups": []}}, "another shape"),
            ({"optimiser": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []}}, "another shape"),
        ):
            torch.save({**sound, **change}, state)
            with pytest.raises(MemrixError, match=f"damaged .*{said}"):
                train(begun.settings, begun.folder)

    def test_no_recogniser_fetches_its_weights_elsewhere(self, begun, tmp_path):
        from memrix.archive import FileKind, read_archive, write_archive
        from memrix.asr.recogniser_files import load_recogniser

        result = train(begun.settings, begun.folder)
        tensors, description = read_archive(result, FileKind("recognizer", "a training", "a training"))
        write_archive(result, tensors, {**description, "model": {"kind": "transformers", "checkpoint": "evil/model"}})
        with pytest.raises(MemrixError, match="is to be fetched from 'evil/model'"):
            load_recogniser(result)


class _Runs:
    def __init__(self, trace):
        self._command = trace.command

    def __reduce__(self):
        import os

        return os.system, (self._command,)


def test_a_corpus_of_plain_files_is_prepared_as_ever(tmp_path):
    assert len(prepare_corpus("mine", write_manifests(tmp_path / "mine"), tmp_path / "out").cuts("train")) == 2
