"""Trained recognizers packed onto a pretrained model, or with everything that they need."""

import copy

import pytest
import torch

import memrix
from memrix.asr.packing import pack_recognizer
from memrix.asr.recognizer_files import load_recognizer, open_recognizer, quantize_recognizer, save_recognizer
from memrix.asr.seq2seq import pretrained
from memrix.asr.seq2seq.pretrained import load_seq2seq
from memrix.asr.speech_model import Example, SpeechBatch
from memrix.asr.trained_recognizers import TrainedRecognizers, write_trained
from memrix.asr.training.settings import TrainingSettings
from memrix.asr.training.setup import prepare_training
from memrix.cli.main import main
from memrix.errors import AssetError, CheckpointError
from memrix.toolkit import FileKind, read_archive, write_archive
from tests.asr.mutated.test_recognizers import phonemes, small
from tests.asr.tones import tone_corpus
from tests.conftest import write_whisper

HARDWARE = memrix.Hardware.preset("tuned").replace(weight_bits=3)
_KIND = FileKind("recognizer", "a test", "a test")


@pytest.fixture(scope="module")
def base(whisper_folder):
    return load_seq2seq(str(whisper_folder))


@pytest.fixture(scope="module")
def trained(base):
    """Low-bit, with norms and biases as a training leaves them."""
    model = copy.deepcopy(base)
    quantize_recognizer(model, HARDWARE, memrix.Quantization(learned_steps=True))
    memrix.calibrate(model.network, [model.calibration_inputs(speech(model))], model.chip_choice(HARDWARE))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            if parameter.dim() == 1 and "memrix" not in name:
                parameter.add_(0.01 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="module")
def file(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model.safetensors"
    save_recognizer(path, trained, {"epochs": [{"epoch": 0}]})
    return path


@pytest.fixture(scope="module")
def packed(file, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "model-3bit.safetensors"
    pack_recognizer(file, path)
    return path


def speech(model):
    audio = 0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor(model.targets("a bee"))
    return SpeechBatch.of([Example("a", "a bee", audio, targets, torch.zeros(0, 80, dtype=torch.bool))])


def outputs(model):
    with torch.no_grad():
        return model.outputs(speech(model)).logits


def test_a_packed_recognizer_gives_the_same_outputs_and_chips(trained, packed):
    loaded, training = load_recognizer(packed)
    assert torch.equal(outputs(loaded), outputs(trained))
    assert training == {"epochs": [{"epoch": 0}]}
    assert loaded.description == load_recognizer(packed)[0].description == trained.description
    chips = []
    for each in (trained, loaded):
        choice = each.chip_choice(memrix.Hardware.preset("physical").replace(weight_bits=3))
        chips.append(each.with_network(memrix.program(each.network, choice, seed=4)))
    assert torch.equal(outputs(chips[0]), outputs(chips[1]))


def test_what_the_base_has_is_not_stored(file, packed):
    tensors, description = read_archive(packed, _KIND)
    assert "labels" not in description
    assert "network.model.decoder.embed_tokens.weight" not in tensors
    assert "network.model.encoder.layer_norm.bias" in tensors
    integers = [value.numel() for name, value in tensors.items() if name.endswith(".integers")]
    quantized = [part for part in load_recognizer(file)[0].modules() if hasattr(part, "quantized_weight")]
    assert sum(integers) == sum(-(-part.weight.numel() * 3 // 8) for part in quantized)


def test_a_float_recognizer_is_its_base_and_few_bits_of_the_difference(base, tmp_path):
    model = copy.deepcopy(base)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in model.network.modules():
            if isinstance(layer, torch.nn.Linear) and layer is not model.network.get_output_embeddings():
                layer.weight.add_(1e-4 * torch.randn(layer.weight.shape, generator=generator))
    path = tmp_path / "float.safetensors"
    save_recognizer(path, model, packed=True, base=base)
    found, _ = load_recognizer(path, base=base)
    apart, changed = (
        (outputs(found) - outputs(model)).square().mean(),
        (outputs(base) - outputs(model)).square().mean(),
    )
    assert 0 < float(apart) < float(changed) / 30
    tensors, _ = read_archive(path, _KIND)
    assert not any(value.is_floating_point() and value.dim() > 1 for value in tensors.values())
    other = copy.deepcopy(base)
    with torch.no_grad():
        other.network.model.encoder.layers[0].fc1.weight.mul_(1.5)
    with pytest.raises(CheckpointError, match=r"1 differ .*layers\.0\.fc1\.weight"):
        load_recognizer(path, base=other)


def test_packed_files_are_evaluated_and_trained_on(trained, packed, tmp_path):
    assert torch.equal(outputs(load_seq2seq(str(packed))), outputs(trained))
    assert open_recognizer(str(packed)).description["hardware"]["weight_bits"] == 3
    corpus = tone_corpus(tmp_path / "tones", train=4, held_out=2).folder
    table = {
        "corpus": str(corpus),
        "start": str(packed),
        "method": "quantization-aware",
        "hardware": HARDWARE.to_dict(),
        "quantization": {"learned_steps": True},
    }
    setup = prepare_training(TrainingSettings.from_dict(table))  # which calibrates
    name = "network.model.decoder.layers.0.fc2"
    ours, theirs = (each.get_submodule(name).quantized_weight() for each in (setup.recognizer.eval(), trained))
    assert torch.equal(ours, theirs)


def test_a_file_packed_whole_needs_no_base(file, trained, tmp_path):
    made = pack_recognizer(file, tmp_path / "whole.safetensors", whole=True)
    assert made.base is None
    tensors, description = read_archive(tmp_path / "whole.safetensors", _KIND)
    assert "base" not in description
    loaded = load_recognizer(tmp_path / "whole.safetensors")[0]
    projection = "network.model.encoder.layers.0.fc1"
    ours, theirs = (each.get_submodule(projection).quantized_weight() for each in (loaded, trained))
    assert torch.equal(ours, theirs)
    assert tensors[f"{projection}.bias"].dtype is torch.float16


@pytest.mark.slow
def test_whisper_at_3_bits_takes_less_than_7_megabytes(tmp_path):
    model = load_seq2seq("whisper-tiny.en")
    quantize_recognizer(model, HARDWARE, memrix.Quantization(learned_steps=True))
    memrix.calibrate(model.network, [model.calibration_inputs(speech(model))], model.chip_choice(HARDWARE))
    with torch.no_grad():
        for parameter in model.network.parameters():
            if parameter.dim() == 1:
                parameter.mul_(1.01)
    save_recognizer(tmp_path / "model.safetensors", model)
    made = pack_recognizer(tmp_path / "model.safetensors", tmp_path / "packed.safetensors")
    assert made.after < 7_000_000
    assert made.before > 150_000_000
    assert torch.equal(outputs(load_recognizer(tmp_path / "packed.safetensors")[0]), outputs(model.eval()))


def test_a_folder_of_recognizers_is_packed_onto_what_everybody_can_load(file, base, trained, tmp_path, monkeypatch):
    write_trained(tmp_path / "whole", TrainedRecognizers(file, ()))
    assert "base" not in read_archive(tmp_path / "whole" / "float.safetensors", _KIND)[1]
    monkeypatch.setattr(pretrained, "load_pretrained_seq2seq", lambda name: base)
    named = copy.copy(trained)
    model = {**trained.description["model"], "checkpoint": "owner/whisper"}
    named.description = {**trained.description, "model": model}
    save_recognizer(file := tmp_path / "named.safetensors", named)
    write_trained(tmp_path / "onto", TrainedRecognizers(file, ()))
    loaded = load_recognizer(tmp_path / "onto" / "float.safetensors")[0]
    assert torch.equal(outputs(loaded), outputs(trained))
    assert "base" in read_archive(tmp_path / "onto" / "float.safetensors", _KIND)[1]


def test_another_base_is_refused(packed, base, tmp_path):
    other = load_seq2seq(str(write_whisper(tmp_path, positions=40)))
    with torch.no_grad():
        other.network.model.decoder.embed_tokens.weight[0, 0] += 1
    with pytest.raises(CheckpointError, match=r"cannot be loaded onto folder .*2 differ \(network\.model\.decoder"):
        load_recognizer(packed, base=other)
    other.description = {**other.description, "labels": {"kind": "tokenizer", "tokenizer": "other"}}
    with pytest.raises(CheckpointError, match="whose tokenizer is another than that of"):
        load_recognizer(packed, base=other)
    assert torch.equal(outputs(load_recognizer(packed, base=base)[0]), outputs(load_recognizer(packed)[0]))


def test_a_base_that_is_gone_is_named(packed, tmp_path):
    tensors, description = read_archive(packed, _KIND)
    description["base"]["checkpoint"] = "/nowhere/whisper"
    write_archive(path := tmp_path / "moved.safetensors", tensors, description, 3)
    with pytest.raises(AssetError, match=r"was packed onto folder .*cannot be: there is no model '/nowhere/whisper'"):
        load_recognizer(path)
    description["base"] = {"checkpoint": 3}
    write_archive(path, tensors, description, 3)
    with pytest.raises(CheckpointError, match="names is none that memrix wrote"):
        load_recognizer(path)


def test_recognizers_without_a_base(file, base, trained, tmp_path):
    save_recognizer(source := tmp_path / "ctc.safetensors", ctc := small(phonemes()))
    assert pack_recognizer(source, tmp_path / "packed.safetensors").base is None
    with pytest.raises(CheckpointError, match="a ctc-recogniser recognizer has no base"):
        save_recognizer(tmp_path / "packed.safetensors", ctc, packed=True, base=base)
    other = copy.deepcopy(base)
    with torch.no_grad():
        for value in other.network.state_dict().values():
            value.add_(1)
    with pytest.raises(CheckpointError, match="has no tensor in common with"):
        save_recognizer(tmp_path / "packed.safetensors", trained, packed=True, base=other)
    with pytest.raises(CheckpointError, match="is the file to be packed"):
        pack_recognizer(file, file)


def test_the_command_says_what_it_saved(file, tmp_path, capsys):
    assert main(["pack", str(file), "-o", str(tmp_path / "small.safetensors")]) == 0
    assert "MB, before" in (printed := capsys.readouterr().out)
    assert "; 3-bit recognizer of 0.0 million weights; loads onto /" in printed
    (tmp_path / "text").write_text("text")
    assert main(["pack", str(tmp_path / "text"), "-o", str(tmp_path / "x")]) == 2
    assert "no recognizer that `memrix train` wrote" in capsys.readouterr().err
