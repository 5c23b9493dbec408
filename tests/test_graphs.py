"""A chip is one graph for torch: no breaks, the bits of an eager call, with its noise and its counts."""

import copy

import pytest
import torch
from torch import nn

import memrix
from tests.layer_examples import Call

PHYSICAL = memrix.Hardware.preset("physical").replace(**{"tile.rows": 32})


def gpt2():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2, use_cache=False)
    return transformers.GPT2Model(config), torch.randint(0, 50, (3, 7))


def whisper_encoder():
    transformers = pytest.importorskip("transformers")
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16, max_source_positions=8
    )
    return WhisperEncoder(config), torch.randn(2, config.num_mel_bins, 16)


MODELS = {
    "Linear": lambda: (nn.Sequential(nn.Linear(40, 12)), torch.randn(5, 40)),
    "Conv2d": lambda: (nn.Sequential(nn.Conv2d(3, 6, 3, padding=1)), torch.randn(2, 3, 6, 7)),
    "LSTM": lambda: (nn.LSTM(8, 6), torch.randn(4, 3, 8)),
    "attention": lambda: (
        Call(nn.MultiheadAttention(16, 2, batch_first=True), same=True),
        torch.randn(2, 5, 16),
    ),
    "GPT-2": gpt2,
    "Whisper's encoder": whisper_encoder,
}


def plain(output):
    return output if isinstance(output, torch.Tensor) else output[0]


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def chip(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, x = request.param()
    model.eval()
    memrix.calibrate(model, [x], PHYSICAL)
    yield memrix.program(model, PHYSICAL), x, model
    torch._dynamo.reset()


def test_a_chip_compiles_to_one_graph_with_the_bits_of_an_eager_call(chip):
    module, x, _ = chip
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        for _ in range(3):  # readings go on, graph or not
            assert torch.equal(plain(compiled(x)), plain(module(x)))


def test_an_exported_chip_is_saved_loaded_and_reads_the_same(chip, tmp_path):
    module, x, _ = chip
    with torch.no_grad():
        program = torch.export.export(copy.deepcopy(module), (x,))
        torch.export.save(program, tmp_path / "chip.pt2")
        loaded = torch.export.load(tmp_path / "chip.pt2").module()
        assert torch.equal(plain(loaded(x)), plain(module(x)))
        assert torch.equal(plain(loaded(x)), plain(module(x)))


def test_autocast_gives_the_type_that_the_torch_model_gives(chip):
    module, x, model = chip
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = plain(module(x))
        # torch's own LSTM has no such kernel on every CPU.
        expected = torch.bfloat16 if isinstance(model, nn.LSTM) else plain(model(x)).dtype
    assert output.dtype == expected
    assert output.isfinite().all()


def test_a_graph_holds_for_any_number_of_vectors():
    module = memrix.program(_calibrated(), PHYSICAL)
    batch = torch.export.Dim("batch", min=2, max=1000)
    with torch.no_grad():
        program = torch.export.export(copy.deepcopy(module), (torch.randn(4, 40),), dynamic_shapes=({0: batch},))
        x = torch.randn(9, 40)
        assert torch.equal(program.module()(x), module(x))


def test_a_changed_weight_is_an_error_in_a_graph_too():
    module = memrix.program(_calibrated(), PHYSICAL)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        compiled(torch.randn(3, 40))
        module[0].weight.data[0, 0] += 1
        with pytest.raises(memrix.errors.WriteError, match=r"memrix\.write"):
            compiled(torch.randn(3, 40))
    torch._dynamo.reset()


def test_gradients_pass_a_compiled_chip():
    module = memrix.program(_calibrated(), PHYSICAL)
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend="aot_eager")
    x = torch.randn(3, 40)
    gradients = []
    for run in (module, compiled):
        given = x.clone().requires_grad_()
        run(given).square().sum().backward()
        gradients.append(given.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-6)
    assert gradients[0].abs().sum() > 0
    torch._dynamo.reset()


def _calibrated() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(40, 12))
    memrix.calibrate(model, [torch.randn(8, 40, generator=torch.Generator().manual_seed(0))], PHYSICAL)
    return model
