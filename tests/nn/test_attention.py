import copy
import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from memrix.errors import InputError
from memrix.nn import DecomposedLayer
from tests.nn.decomposing import assert_same_results_and_gradients, decomposed, randn

WIDTH, HEADS = 12, 3


def padding(batch: int, keys: int, as_numbers: bool) -> torch.Tensor:
    """The last key of every other sequence is not part of it."""
    mask = torch.zeros(batch, keys, dtype=torch.bool)
    mask[::2, -1] = True
    return torch.zeros(batch, keys).masked_fill(mask, -2.0) if as_numbers else mask


def looking_ahead(length: int, keys: int, as_numbers: bool) -> torch.Tensor:
    mask = torch.ones(length, keys, dtype=torch.bool).triu(1)
    return torch.zeros(length, keys).masked_fill(mask, -math.inf) if as_numbers else mask


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_results_and_gradients_are_those_of_torch(data):
    def flag(name: str) -> bool:
        return data.draw(st.booleans(), label=name)

    batch, length, keys = (data.draw(st.integers(low, 4)) for low in (1, 1, 2))
    kdim, vdim = data.draw(st.sampled_from([(None, None), (5, None), (None, 7), (5, 7), (WIDTH, WIDTH)]))
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(
        WIDTH,
        HEADS,
        bias=flag("bias"),
        add_bias_kv=flag("bias_kv"),
        add_zero_attn=flag("zero"),
        kdim=kdim,
        vdim=vdim,
        batch_first=flag("batch_first"),
    )
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.3)
    layer.train(flag("training"))
    shapes = [(batch, length, WIDTH), (batch, keys, layer.kdim), (batch, keys, layer.vdim)]
    inputs = [randn(*shape, seed=number) for number, shape in enumerate(shapes)]
    batched = flag("batched")
    if not batched:
        batch, inputs = 1, [x[0] for x in inputs]
    elif not layer.batch_first:
        inputs = [x.transpose(0, 1) for x in inputs]
    as_numbers = flag("numbers")
    options = {"need_weights": flag("need_weights"), "average_attn_weights": flag("average")}
    if flag("padded"):
        options["key_padding_mask"] = padding(batch, keys, as_numbers)[slice(None) if batched else 0]
    if flag("masked"):
        mask = looking_ahead(length, keys, as_numbers)
        options["is_causal"] = flag("hint")
        options["attn_mask"] = mask.repeat(batch * HEADS, 1, 1) if flag("by_head") else mask
    assert_same_results_and_gradients(layer, *inputs, **options)


@pytest.mark.parametrize("need_weights", [False, True])
def test_dropout_is_that_of_torch(need_weights):
    layer = nn.MultiheadAttention(WIDTH, HEADS, dropout=0.4, batch_first=True)
    x = randn(2, 5, WIDTH)
    assert_same_results_and_gradients(layer, x, x, x, need_weights=need_weights)


@pytest.mark.parametrize("options", [{}, {"kdim": 5, "vdim": 7}, {"bias": False, "add_bias_kv": True}])
def test_checkpoints_fit_both_ways(options):
    layer, other = (nn.MultiheadAttention(WIDTH, HEADS, **options) for _ in range(2))
    copied = decomposed(layer)
    assert list(copied.state_dict()) == list(layer.state_dict())
    assert [n for n, _ in copied.named_parameters()] == [n for n, _ in layer.named_parameters()]
    copied.load_state_dict(other.state_dict())
    inputs = randn(4, 2, WIDTH), randn(3, 2, other.kdim), randn(3, 2, other.vdim)
    torch.testing.assert_close(copied(*inputs), other(*inputs))
    layer.load_state_dict(copied.state_dict())


def test_it_is_still_the_torch_layer_and_its_parts_have_names():
    copied = decomposed(nn.MultiheadAttention(WIDTH, HEADS))
    assert isinstance(copied, nn.MultiheadAttention)
    assert isinstance(copied, DecomposedLayer)
    assert [name for name, _ in copied.named_children()] == ["q_proj", "k_proj", "v_proj", "out_proj"]


def test_a_copy_has_projections_of_its_own():
    copied = decomposed(nn.MultiheadAttention(WIDTH, HEADS))
    x = randn(3, 2, WIDTH)
    before = copied(x, x, x)[0]
    with torch.no_grad():
        copy.deepcopy(copied).in_proj_weight.zero_()
    torch.testing.assert_close(copied(x, x, x)[0], before)


def test_precision_follows_the_parameters():
    copied = decomposed(nn.MultiheadAttention(WIDTH, HEADS)).double()
    x = randn(3, 2, WIDTH).double()
    assert copied(x, x, x)[0].dtype == torch.float64


def test_autocast():
    copied, x = decomposed(nn.MultiheadAttention(WIDTH, HEADS, add_bias_kv=True)), randn(3, 2, WIDTH)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for need_weights in (False, True):
            mask = looking_ahead(3, 3, as_numbers=False)
            assert copied(x, x, x, need_weights=need_weights, attn_mask=mask)[0].dtype == torch.bfloat16


def test_compiles_in_one_graph():
    copied, x = decomposed(nn.MultiheadAttention(WIDTH, HEADS)), randn(3, 2, WIDTH)
    compiled = torch.compile(copied, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, x, x)[0], copied(x, x, x)[0])


class TestBadInput:
    @pytest.fixture
    def attention(self):
        return decomposed(nn.MultiheadAttention(WIDTH, HEADS, kdim=5, batch_first=True))

    def test_nested_tensors(self, attention):
        x = torch.nested.nested_tensor([randn(3, WIDTH), randn(2, WIDTH)])
        with pytest.raises(InputError, match=r"no nested tensors.*to_padded_tensor"):
            attention(x, x, x)

    def test_query_of_another_width(self, attention):
        with pytest.raises(InputError, match=r"query of this attention.*\[batch, length, 12\].*\[2, 3, 11\]"):
            attention(randn(2, 3, 11), randn(2, 4, 5), randn(2, 4, WIDTH))

    def test_key_without_the_batch_axis(self, attention):
        with pytest.raises(InputError, match=r"key of this attention.*got \[4, 5\]"):
            attention(randn(2, 3, WIDTH), randn(4, 5), randn(2, 4, WIDTH))

    def test_values_of_another_length(self, attention):
        with pytest.raises(InputError, match=r"got \[2, 3\], \[2, 4\] and \[2, 6\]"):
            attention(randn(2, 3, WIDTH), randn(2, 4, 5), randn(2, 6, WIDTH))

    def test_masks_of_another_shape(self, attention):
        inputs = randn(2, 3, WIDTH), randn(2, 4, 5), randn(2, 4, WIDTH)
        with pytest.raises(InputError, match=r"attn_mask must be \[3, 4\] or \[6, 3, 4\].*got \[4, 3\]"):
            attention(*inputs, attn_mask=torch.zeros(4, 3))
        with pytest.raises(InputError, match=r"key_padding_mask must be \[2, 4\], got \[4, 2\]"):
            attention(*inputs, key_padding_mask=torch.zeros(4, 2))

    def test_mask_of_integers(self, attention):
        mask = torch.zeros(2, 4, dtype=torch.int64)
        with pytest.raises(InputError, match=r"key_padding_mask must be of bool.*torch\.int64; call \.bool\(\)"):
            attention(randn(2, 3, WIDTH), randn(2, 4, 5), randn(2, 4, WIDTH), key_padding_mask=mask)

    def test_hint_without_a_mask(self, attention):
        with pytest.raises(InputError, match="generate_square_subsequent_mask"):
            attention(randn(2, 3, WIDTH), randn(2, 4, 5), randn(2, 4, WIDTH), is_causal=True)
