import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from memrix.asr.whisper.weights import whisper_state
from memrix.errors import AssetError

WIDTH = 4


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return WhisperForConditionalGeneration(
            WhisperConfig(
                vocab_size=7,
                d_model=WIDTH,
                encoder_layers=2,
                decoder_layers=1,
                encoder_attention_heads=2,
                decoder_attention_heads=2,
                encoder_ffn_dim=6,
                decoder_ffn_dim=6,
                num_mel_bins=3,
                max_source_positions=5,
                max_target_positions=8,
                pad_token_id=0,
                bos_token_id=0,
                eos_token_id=0,
                decoder_start_token_id=1,
            )
        ).half()


def converted(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What CTranslate2 makes of a state dict, written out variable by variable."""
    variables = {"decoder/num_heads": torch.tensor(2, dtype=torch.int16)}
    for side, blocks in (("encoder", 2), ("decoder", 1)):
        variables[f"{side}/position_encodings/encodings"] = state[f"model.{side}.embed_positions.weight"]
        variables[f"{side}/layer_norm/gamma"] = state[f"model.{side}.layer_norm.weight"]
        variables[f"{side}/layer_norm/beta"] = state[f"model.{side}.layer_norm.bias"]
        for index in range(blocks):
            old, new = f"model.{side}.layers.{index}", f"{side}/layer_{index}"
            for norm, part in (("self_attn_layer_norm", "self_attention"), ("final_layer_norm", "ffn")):
                variables[f"{new}/{part}/layer_norm/gamma"] = state[f"{old}.{norm}.weight"]
                variables[f"{new}/{part}/layer_norm/beta"] = state[f"{old}.{norm}.bias"]
            for kind in ("weight", "bias"):
                q, k, v, out = (
                    state.get(f"{old}.self_attn.{name}_proj.{kind}", torch.zeros(WIDTH, dtype=torch.half))
                    for name in ("q", "k", "v", "out")
                )
                variables[f"{new}/self_attention/linear_0/{kind}"] = torch.cat([q, k, v])
                variables[f"{new}/self_attention/linear_1/{kind}"] = out
                variables[f"{new}/ffn/linear_0/{kind}"] = state[f"{old}.fc1.{kind}"]
                variables[f"{new}/ffn/linear_1/{kind}"] = state[f"{old}.fc2.{kind}"]
    for kind in ("weight", "bias"):
        for name in ("conv1", "conv2"):
            variables[f"encoder/{name}/{kind}"] = state[f"model.encoder.{name}.{kind}"]
        q, k, v, out = (
            state.get(f"model.decoder.layers.0.encoder_attn.{name}_proj.{kind}", torch.zeros(WIDTH, dtype=torch.half))
            for name in ("q", "k", "v", "out")
        )
        variables[f"decoder/layer_0/attention/linear_0/{kind}"] = q
        variables[f"decoder/layer_0/attention/linear_1/{kind}"] = torch.cat([k, v])
        variables[f"decoder/layer_0/attention/linear_2/{kind}"] = out
    norm = "model.decoder.layers.0.encoder_attn_layer_norm"
    variables["decoder/layer_0/attention/layer_norm/gamma"] = state[f"{norm}.weight"]
    variables["decoder/layer_0/attention/layer_norm/beta"] = state[f"{norm}.bias"]
    variables["decoder/embeddings/weight"] = state["model.decoder.embed_tokens.weight"]
    variables["decoder/projection/weight"] = state["model.decoder.embed_tokens.weight"]
    return variables


def test_every_weight_finds_its_place_in_float32(model):
    expected = model.state_dict()
    state = whisper_state(converted(expected))
    assert state.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(state[name], values.float(), rtol=0, atol=0)


def test_an_unknown_weight_is_an_error(model):
    variables = converted(model.state_dict()) | {"encoder/layer_0/ffn/linear_2/weight": torch.ones(2)}
    with pytest.raises(AssetError, match="'encoder/layer_0/ffn/linear_2/weight' has no place"):
        whisper_state(variables)


def test_a_key_bias_that_is_not_zero_is_an_error(model):
    variables = converted(model.state_dict())
    variables["encoder/layer_0/self_attention/linear_0/bias"][WIDTH] = 1.0
    with pytest.raises(AssetError, match="bias for the keys"):
        whisper_state(variables)


def test_a_projection_that_cannot_be_cut_is_an_error():
    with pytest.raises(AssetError, match=r"of shape \[4, 2\] cannot be cut"):
        whisper_state({"encoder/layer_0/self_attention/linear_0/weight": torch.ones(4, 2)})
