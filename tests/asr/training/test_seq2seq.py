"""Whisper and its kin are trained as CTC models are: in float, with low-bit weights, annealed, with a teacher."""

import pytest
import torch
from safetensors.torch import load_file

import memrix
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.seq2seq.pretrained import load_seq2seq
from memrix.asr.training.data import SpeechData, training_plan
from memrix.asr.training.loop import train
from memrix.asr.training.news import Step
from memrix.asr.training.objective import Objective
from memrix.asr.training.settings import DistillationSettings, TrainingSettings
from memrix.asr.training.setup import prepare_training
from memrix.asr.training.stages import stage_of
from memrix.errors import CheckpointError, DataError, SettingsError
from memrix.nn.quantized import QuantizedLayer
from tests.asr.tones import tone_corpus
from tests.conftest import write_whisper

LOW_BIT = {
    "method": "quantization-aware",
    "hardware": {"preset": "paper", "weight_bits": 3, "weight_range": "mean-square-error"},
    "quantization": {"output_quantizers": False, "learned_steps": True},
    "distillation": {"logits": 0.5, "encoder": 0.5},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), train=36, held_out=3).folder


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory):
    """With room for what is said in a full window."""
    return write_whisper(tmp_path_factory.mktemp("whisper"), positions=448)


@pytest.fixture
def settings_of(corpus, whisper_folder):
    def settings(**changes):
        table = {
            "corpus": str(corpus),
            "model": str(whisper_folder),
            "epochs": 1,
            "average": 1,
            "seconds_per_batch": 30.0,
            "optimizer": {"learning_rates": [1e-3, 1e-4], "phases": [1.0]},
        }
        return TrainingSettings.from_dict({**table, **changes})

    return settings


def test_utterances_are_joined_to_full_windows_once_each(corpus, whisper_folder):
    model = load_seq2seq(str(whisper_folder))
    cuts = open_corpus(str(corpus)).cuts("train").to_eager()
    plan = training_plan(cuts, model, 60.0, seed=0, epoch=0, speed=0.9)
    assert all(len(windows) == 2 for windows in plan[:-1])
    windows = [names for items in plan for names in items]
    assert sorted(name for names in windows for name in names) == sorted(cut.id for cut in cuts)
    data = SpeechData(cuts, model, None)
    seconds = {cut.id: cut.duration for cut in cuts}
    for names in windows:
        example = data[0, names]
        spoken = sum(seconds[name] for name in names)
        assert spoken / 0.9 + 0.3 * (len(names) - 1) <= 30.0
        assert len(example.audio) == pytest.approx(16_000 * (spoken + 0.3 * (len(names) - 1)), abs=len(names))
        assert model.targets(example.text) == example.targets.tolist()
    assert training_plan(cuts, model, 60.0, seed=0, epoch=1, speed=0.9) != plan


def test_what_is_frozen_stays_and_the_rest_learns(settings_of, whisper_folder, tmp_path):
    start = load_seq2seq(str(whisper_folder)).state_dict()
    model, training = load_recognizer(train(settings_of(), tmp_path))
    assert training["epochs"][0]["dev_error_rate"] > 0
    frozen = {"network.proj_out.weight", "network.model.encoder.conv1.weight", "network.model.encoder.conv2.bias"}
    frozen |= {f"network.model.{side}.embed_positions.weight" for side in ("encoder", "decoder")}
    frozen.add("network.model.decoder.embed_tokens.weight")
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, start[name])}
    assert not changed & frozen
    assert "network.model.encoder.layers.0.fc1.weight" in changed
    assert "network.model.decoder.layers.0.encoder_attn.q_proj.weight" in changed


def test_a_file_holds_all_that_transcribes(settings_of, corpus, tmp_path):
    model, _ = load_recognizer(train(settings_of(**LOW_BIT), tmp_path))
    again, _ = load_recognizer(tmp_path / "model.safetensors")
    cuts = open_corpus(str(corpus)).cuts("dev").to_eager()
    batch = SpeechData(cuts, model, None).batch(0, [(cut.id,) for cut in cuts])
    with torch.no_grad():
        assert torch.equal(model.outputs(batch).logits, again.outputs(batch).logits)
        assert model.transcribe(batch, model.encode(batch)) == again.transcribe(batch, again.encode(batch))
    hardware = memrix.Hardware.preset("paper").replace(weight_bits=3)
    chip = model.with_network(memrix.program(model.network, model.chip_choice(hardware), seed=0))
    assert len(chip.transcribe(batch, chip.encode(batch))) == 3
    names = {layer.name for layer in memrix.summary(chip.network).layers}
    assert not [name for name in names if "conv" in name or name == "proj_out"]
    assert len(names) == 16


class StopError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("resampled", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_annealed_and_resampled_a_training_cut_off_anywhere_ends_the_same(settings_of, tmp_path, resampled):
    settings = settings_of(
        **LOW_BIT,
        epochs=2 + resampled,
        annealing=[[6, 1]],
        resampled_epochs=resampled,
        checkpoint_minutes=1e-9,
        seconds_per_batch=60.0,
    )
    whole = train(settings, tmp_path / "whole")

    def stop_at(epoch):
        def report(news):
            if isinstance(news, Step) and news.epoch == epoch:
                raise StopError

        return report

    for epoch in range(1, 2 + resampled):
        with pytest.raises(StopError):
            train(settings, tmp_path / "parts", stop_at(epoch))
    one, other = load_file(whole), load_file(train(settings, tmp_path / "parts"))
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    description = load_recognizer(whole)[0].description
    assert description["hardware"]["weight_bits"] == 3
    assert description["quantization"]["device_resampling"] == bool(resampled)
    assert load_recognizer(whole)[1]["averaged"] == [1 + resampled]


def test_stages_follow_each_other(settings_of):
    settings = settings_of(**LOW_BIT, epochs=6, annealing=[[8, 1], [4, 2]], resampled_epochs=1)
    stages = [stage_of(settings, epoch) for epoch in range(6)]
    assert [stage.hardware.weight_bits for stage in stages] == [8, 4, 4, 3, 3, 3]
    assert [stage.quantization.device_resampling for stage in stages] == [False] * 5 + [True]
    assert [stage.is_last for stage in stages] == [False] * 5 + [True]


def test_a_teacher_is_a_float_model_that_stays_as_it_is(settings_of, tmp_path):
    setup = prepare_training(settings_of(**LOW_BIT))
    assert not setup.teacher.is_low_bit
    assert setup.recognizer.is_low_bit
    assert not any(
        parameter is other
        for parameter, other in zip(
            *map(list, (setup.teacher.parameters(), setup.recognizer.parameters())), strict=False
        )
    )
    low_bit = str(train(settings_of(**LOW_BIT), tmp_path))
    with pytest.raises(SettingsError, match=r"needs a float recognizer.*distillation\.teacher"):
        prepare_training(settings_of(**LOW_BIT, start=low_bit))


def test_weights_of_new_bits_start_from_integers_that_make_up_for_each_other(settings_of):
    def weights(*, resumed=False, **changes):
        setup = prepare_training(settings_of(**LOW_BIT, **changes), resumed=resumed)
        layers = [module for module in setup.recognizer.network.modules() if isinstance(module, QuantizedLayer)]
        return torch.cat([layer.weight.detach().flatten() for layer in layers])

    plain, compensated = weights(), weights(compensation=True)
    assert float((compensated != plain).float().mean()) > 0.5
    # An interrupted training goes on with its own weights.
    assert torch.equal(weights(compensation=True, resumed=True), plain)


def test_half_precision_leaves_features_as_they_are(settings_of):
    setup = prepare_training(settings_of())
    data = SpeechData(setup.train, setup.recognizer, None)
    batch = data.batch(0, [[cut.id] for cut in list(setup.train)[:2]])
    seen = []
    network = setup.recognizer.network
    network.register_forward_pre_hook(lambda _, args, named: seen.append(named), with_kwargs=True)
    losses = [
        Objective(setup.recognizer, None, DistillationSettings(), mixed=mixed)(*batch) for mixed in (False, True)
    ]
    assert torch.equal(seen[0]["input_features"], seen[1]["input_features"])
    assert losses[0].dtype == losses[1].dtype == torch.float32
    torch.testing.assert_close(*losses, rtol=0.05, atol=0.0)
    assert not torch.equal(*losses)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"frozen": ["model.encodr.*"]}, SettingsError, r"frozen names the layers 'model\.encodr\.\*'"),
        ({"labels": {"kind": "subwords"}}, SettingsError, "brings its own tokenizer"),
        ({"annealing": [[8, 1]]}, SettingsError, "needs low-bit weights"),
        ({**LOW_BIT, "annealing": [[8, 1]]}, SettingsError, "leaves none of 1 epochs"),
        ({"compensation": True}, SettingsError, "needs low-bit weights"),
        ({**LOW_BIT, "quantization": {}, "compensation": True}, SettingsError, r"needs quantization\.learned_steps"),
    ],
)
def test_settings_that_do_not_fit(settings_of, changes, error, message):
    with pytest.raises(error, match=message):
        prepare_training(settings_of(**changes))


def test_a_start_of_another_model_and_words_that_the_tokenizer_lacks(settings_of, corpus, tmp_path):
    floating = train(settings_of(), tmp_path)
    with pytest.raises(CheckpointError, match="asked for"):
        prepare_training(settings_of(start=str(floating), model="openai/whisper-base"))
    model = load_recognizer(floating)[0]
    with pytest.raises(DataError, match=r"cannot write 1 words.*\n  naïve"):
        model.require_texts(["one", "naïve two"])
    assert not model.can_learn(31 * 16_000, [0], (1.0,))
