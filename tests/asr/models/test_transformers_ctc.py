import pytest
import torch

from memrix.asr.models.settings import build_network, model_settings
from memrix.errors import AssetError, SettingsError

SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
CONFIGS = {
    "parakeet_ctc": {"encoder_config": {**SMALL, "subsampling_conv_channels": 8}},
    "lasr_ctc": {"encoder_config": {**SMALL, "num_mel_bins": 80}},
    "wav2vec2-conformer": {**SMALL, "conv_dim": [8] * 7},
}


def built(kind, **changes):
    torch.manual_seed(0)
    return build_network(
        model_settings({"kind": "transformers", "config": {"model_type": kind, **changes}}), 13
    ).eval()


@pytest.mark.parametrize("kind", CONFIGS)
def test_lengths_and_labels(kind):
    network = built(kind, **CONFIGS[kind])
    values = torch.randn(2, 8000) if network.takes_audio else torch.randn(2, 120, 80)
    given = torch.tensor([values.shape[1], values.shape[1] // 2])
    logits, lengths = network(values, given)
    assert logits.shape == (2, int(lengths[0]), 13)
    assert lengths.tolist() == network.output_lengths(given).tolist()
    assert logits.isfinite().all()


@pytest.mark.parametrize("kind", CONFIGS)
def test_an_architecture_comes_back_from_its_settings(kind):
    network = built(kind, **CONFIGS[kind])
    again = build_network(model_settings(network.rebuilding_settings().model_dump(mode="json")), 13)
    again.load_state_dict(network.state_dict())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"config": {"model_type": "parakeat"}}, "model_type 'parakeat'"),
        ({"config": {}}, "model_type"),
        ({"config": {"model_type": "bert"}}, "CTC"),
        ({"config": {"model_type": "lasr_ctc", "encoder_config": {**SMALL, "num_mel_bins": 64}}}, "64 mel bins"),
    ],
)
def test_what_is_no_ctc_model_is_refused(table, message):
    with pytest.raises(SettingsError, match=message):
        build_network(model_settings({"kind": "transformers", **table}), 13)


def test_a_checkpoint_that_is_not_there(tmp_path):
    with pytest.raises(AssetError, match="hub, or a folder"):
        build_network(model_settings({"kind": "transformers", "checkpoint": str(tmp_path)}), 13)


def test_a_checkpoint_gets_an_output_layer_of_its_own(tmp_path):
    built("parakeet_ctc", **CONFIGS["parakeet_ctc"]).model.save_pretrained(tmp_path)
    network = build_network(model_settings({"kind": "transformers", "checkpoint": str(tmp_path)}), 29)
    logits, _ = network(torch.randn(1, 80, 80), torch.tensor([80]))
    assert logits.shape[2] == 29
    again = build_network(model_settings(network.rebuilding_settings().model_dump(mode="json")), 29)
    again.load_state_dict(network.state_dict())


def test_one_of_config_and_checkpoint():
    for table in ({}, {"config": {"model_type": "parakeet_ctc"}, "checkpoint": "x"}):
        with pytest.raises(ValueError, match="one of them"):
            model_settings({"kind": "transformers", **table})
