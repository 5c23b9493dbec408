"""Layers of transformers that hold all experts in one tensor, decomposed matrix by matrix."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import InputError
from memrix.nn.registry import submodules_of
from tests.nn.decomposing import assert_same_results_and_gradients, decomposed, randn
from tests.nn.test_ideal_composites import assert_ideal_chip_is_the_quantized_layer

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore::memrix.errors.CoverageWarning")
IDS = torch.arange(96).view(4, 24)
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 96}
GROUPED = {**SIZES, "num_key_value_heads": 2, "intermediate_size": 24, "num_local_experts": 4}
# Of every layout in which experts come: class, and settings that it reads of its configuration.
LAYOUTS = {
    "gate and up, outputs first": ("mixtral", "MixtralExperts", {"hidden_act": "silu"}),
    "interleaved, outputs last, biases": ("gpt_oss", "GptOssExperts", {"swiglu_alpha": 1.7, "swiglu_limit": 2.0}),
    "outputs last": ("aria", "AriaExperts", {"hidden_act": "silu"}),
    "no gate": ("nemotron_h", "NemotronHExperts", {"mlp_hidden_act": "relu2", "moe_latent_size": None}),
    "a norm after each expert": ("muse_spark", "MuseSparkExperts", {"hidden_act": "silu", "post_norm_eps": 1e-6}),
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def experts(layout: str, implementation: str = "eager") -> nn.Module:
    family, name, settings = LAYOUTS[layout]
    modeling = pytest.importorskip(f"transformers.models.{family}.modeling_{family}")
    counts = dict.fromkeys(("num_local_experts", "n_routed_experts", "moe_num_experts"), 4)
    widths = {"hidden_size": 8, "moe_hidden_size": 8, "intermediate_size": 12, "moe_intermediate_size": 12}
    config = SimpleNamespace(_experts_implementation=implementation, **counts, **widths, **settings)
    layer = getattr(modeling, name)(config)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


def routed(tokens: int = 9) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, and two of four experts for each with their shares."""
    shares, index = randn(tokens, 4, seed=1).softmax(-1).topk(2)
    return randn(tokens, 8), index, shares


@pytest.mark.parametrize("implementation", ["eager", "batched_mm", "grouped_mm"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_opened_experts_compute_what_the_layer_of_transformers_does(layout, implementation):
    assert_same_results_and_gradients(experts(layout, implementation), *routed())


def test_a_token_that_is_routed_nowhere_gets_nothing():
    layer = experts("gate and up, outputs first")
    tokens, index, shares = routed()
    index[0] = 4
    output = decomposed(layer)(tokens, index, shares)
    assert not output[0].any()
    torch.testing.assert_close(output, layer(tokens, index, shares))


def test_names_of_the_router_are_taken_too():
    layer = decomposed(experts("interleaved, outputs last, biases"))
    tokens, index, shares = routed()
    by_name = layer(tokens, router_indices=index, routing_weights=shares)
    torch.testing.assert_close(by_name, layer(tokens, index, shares), rtol=0, atol=0)


def test_experts_without_a_router_are_refused():
    layer = decomposed(experts("gate and up, outputs first"))
    tokens, index, shares = routed()
    with pytest.raises(InputError, match="top_k_index"):
        layer(tokens)
    with pytest.raises(InputError, match=r"got \[9, 8\], \[9, 2\] and \[9, 1\]"):
        layer(tokens, index, shares[:, :1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"_is_expert_parallel": True}, "spread over several processes"),
        ({"num_experts": 5}, "not a tensor of 5 experts"),
        ({"down_proj": nn.Parameter(torch.ones(4, 8, 12, dtype=torch.int8), requires_grad=False)}, "torch.int8"),
    ],
)
def test_experts_that_cannot_be_opened_say_why(change, reason):
    layer = experts("gate and up, outputs first")
    for name, value in change.items():
        setattr(layer, name, value)
    assert reason in submodules_of(layer)


def test_a_subclass_that_computes_something_else_is_not_taken_for_its_parent():
    layer = experts("gate and up, outputs first")
    layer.__class__ = type("Other", (type(layer),), {"forward": lambda self, *routed: None})
    assert "overrides forward" in submodules_of(layer)


def mixture(name: str) -> nn.Module:
    config, model = {
        "mixtral": (transformers.MixtralConfig, transformers.MixtralForCausalLM),
        "gpt_oss": (transformers.GptOssConfig, transformers.GptOssForCausalLM),
        "jetmoe": (transformers.JetMoeConfig, transformers.JetMoeForCausalLM),
        "llama4": (transformers.Llama4TextConfig, transformers.Llama4ForCausalLM),
    }[name]
    special = {
        "jetmoe": {"kv_channels": 8, "num_experts_per_tok": 2},
        "llama4": {"head_dim": 8, "intermediate_size_mlp": 24},
        "gpt_oss": {"head_dim": 8},
    }
    return model(config(**GROUPED, **special.get(name, {}))).eval()


@pytest.mark.parametrize("name", ["mixtral", "gpt_oss", "jetmoe", "llama4"])
def test_ideal_chip_of_a_mixture_is_the_quantized_model(name):
    model, hardware = mixture(name), memrix.Hardware.preset("ideal")
    batch = {"input_ids": IDS, "use_cache": False}
    with torch.no_grad():
        expected = model(**batch).logits
        memrix.calibrate(model, [batch], hardware)
        torch.testing.assert_close(model(**batch).logits, expected)
        copied = copy.deepcopy(model)
        memrix.quantize(copied, hardware)
        chip = memrix.program(model, hardware)
        torch.testing.assert_close(chip(**batch).logits, copied(**batch).logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_call_of_an_expert_on_an_ideal_chip_is_that_of_the_fake_quantized_one(layout):
    tokens, index, shares = routed(24)
    batch = {"hidden_states": tokens, "top_k_index": index, "top_k_weights": shares}
    assert_ideal_chip_is_the_quantized_layer(experts(layout).eval(), batch, memrix.Hardware.preset("ideal"))


def test_experts_are_chosen_by_name():
    model, hardware = mixture("mixtral"), memrix.Hardware.preset("ideal")
    names = [layer.name for layer in memrix.check(model, hardware).layers]
    assert [name for name in names if ".experts." in name] == [
        f"model.layers.0.mlp.experts.{expert}.{part}" for expert in range(4) for part in ("gate_up", "down")
    ]
    (chosen,) = memrix.check(model, hardware, layers="*.experts.1.down").layers
    assert (chosen.name, chosen.weight_shape) == ("model.layers.0.mlp.experts.1.down", (16, 24))
    shapes = [layer.weight_shape for layer in memrix.check(mixture("gpt_oss"), hardware, layers="*.0.gate_up").layers]
    assert shapes == [(48, 16)]


def test_a_chip_with_experts_is_kept_in_a_file(tmp_path):
    model, hardware = mixture("mixtral"), memrix.Hardware.preset("physical")
    batch = {"input_ids": IDS, "use_cache": False}
    memrix.calibrate(model, [batch], hardware)
    chip = memrix.program(model, hardware, layers="*.experts.*")
    memrix.save(chip, tmp_path / "chip.safetensors")
    again = memrix.load(tmp_path / "chip.safetensors", mixture("mixtral"))
    for each in (chip, again):
        memrix.reseed(each, read=3)
    with torch.no_grad():
        torch.testing.assert_close(again(**batch).logits, chip(**batch).logits, rtol=0, atol=0)


def test_linear_layer_of_falcon_is_a_linear_layer():
    model = transformers.FalconForCausalLM(transformers.FalconConfig(**SIZES)).eval()
    hardware, batch = memrix.Hardware.preset("ideal"), {"input_ids": IDS, "use_cache": False}
    with torch.no_grad():
        memrix.calibrate(model, [batch], hardware)
        chip = memrix.program(model, hardware)
        memrix.quantize(model, hardware)
        torch.testing.assert_close(chip(**batch).logits, model(**batch).logits, rtol=1e-4, atol=1e-5)
    kinds = [layer.kind for layer in memrix.summary(chip).layers]
    assert kinds == ["FalconLinear"] * 4 + ["Linear"]  # four of a block, and the head


def test_experts_that_get_no_token_can_stay_digital():
    model, hardware = mixture("mixtral"), memrix.Hardware.preset("ideal")
    batch = {"input_ids": IDS[:1, :1], "use_cache": False}  # one token goes to two of four experts
    with pytest.raises(memrix.errors.CalibrationError, match="unreached='digital'"):
        memrix.calibrate(model, [batch], hardware)
    memrix.calibrate(model, [batch], hardware, unreached="digital")
    chip = memrix.program(model, hardware)
    memrix.quantize(model, hardware)
    digital = [layer for layer in memrix.summary(chip).digital if ".experts." in layer.name]
    assert [layer.reason for layer in digital] == ["no batch of its calibration reached it"] * 4
    assert len({layer.name.rpartition(".")[0] for layer in digital}) == 2
    with torch.no_grad():  # experts of other tokens are digital, and run
        every = {"input_ids": IDS, "use_cache": False}
        torch.testing.assert_close(chip(**every).logits, model(**every).logits, rtol=1e-4, atol=1e-5)
