"""Models of the transformers library, unchanged: random weights, tiny configurations."""

import pytest
import torch

import memrix
from tests.models.one_call import LOOKUP, assert_runs_on_a_chip
from tests.nn.decomposing import randn

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore::memrix.errors.CoverageWarning")
IDS = torch.arange(12).view(2, 6)
ENCODER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_bert():
    config = transformers.BertConfig(vocab_size=30, max_position_embeddings=16, **ENCODER)
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    chip = assert_runs_on_a_chip(
        transformers.BertForMaskedLM(config), {"input_ids": IDS, "attention_mask": mask}, digital={LOOKUP}
    )
    assert len(memrix.summary(chip).layers) == 2 * 6 + 2


def test_gpt2():
    special = {"bos_token_id": 0, "eos_token_id": 0}
    config = transformers.GPT2Config(vocab_size=30, n_embd=16, n_layer=2, n_head=2, n_positions=16, **special)
    chip = assert_runs_on_a_chip(transformers.GPT2LMHeadModel(config), {"input_ids": IDS}, digital={LOOKUP})
    assert len(memrix.summary(chip).layers) == 2 * 4 + 1


def test_whisper():
    config = transformers.WhisperConfig(
        vocab_size=40,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_mel_bins=8,
        max_source_positions=20,
        max_target_positions=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
    )
    chip = assert_runs_on_a_chip(
        transformers.WhisperForConditionalGeneration(config),
        {"input_features": randn(2, 8, 40), "decoder_input_ids": IDS},
        digital={LOOKUP, "WhisperPositionalEmbedding multiplies no vector by a matrix"},
    )
    # 2 convolutions, 2 encoder layers of 6, 2 decoder layers of 10, the output
    assert len(memrix.summary(chip).layers) == 2 + 2 * 6 + 2 * 10 + 1


POSITIONS = "ParametrizedConv1d is parametrized; call torch.nn.utils.parametrize.remove_parametrizations first"
BIASES = "has no crossbar counterpart for its pos_bias_u, pos_bias_v"


@pytest.mark.parametrize(("positions", "further"), [("rotary", set()), ("relative", {BIASES})])
def test_wav2vec2_conformer(positions, further):
    config = transformers.Wav2Vec2ConformerConfig(
        vocab_size=12,
        conv_dim=(8, 8),
        conv_stride=(5, 4),
        conv_kernel=(10, 4),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        conv_depthwise_kernel_size=5,
        position_embeddings_type=positions,
        **ENCODER,
    )
    chip = assert_runs_on_a_chip(
        transformers.Wav2Vec2ConformerForCTC(config),
        {"input_values": randn(2, 800)},
        digital={POSITIONS, *(f"Wav2Vec2ConformerSelfAttention {reason}" for reason in further)},
    )
    # 2 convolutions, the projection, 2 layers of 4 + 4 linear layers and 3 convolutions, the output
    assert len(memrix.summary(chip).layers) == 2 + 1 + 2 * (11 + len(further)) + 1


def test_parakeet_ctc():
    encoder = {
        "conv_kernel_size": 5,
        "subsampling_conv_channels": 8,
        "num_mel_bins": 16,
        "max_position_embeddings": 64,
        **ENCODER,
    }
    config = transformers.ParakeetCTCConfig(vocab_size=12, encoder_config=encoder, pad_token_id=11)
    assert_runs_on_a_chip(
        transformers.ParakeetForCTC(config),
        {"input_features": randn(2, 40, 16), "attention_mask": torch.ones(2, 40, dtype=torch.bool)},
        digital={
            "ParakeetEncoderAttention has no crossbar counterpart for its bias_u, bias_v",
            "ParakeetEncoderCTCHead overrides forward of Conv1d, so what it computes is not known",
        },
    )
