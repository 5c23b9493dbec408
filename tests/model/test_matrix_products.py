"""Products counted while modules run, against their number by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from memrix.model.matrix_products import MatrixProducts

N, T, W = 3, 5, 8
X = torch.randn(N, T, W)
ATTENTION = 2 * N * T * T * W  # scores, and sums of values
PROJECTIONS = 4 * N * T * W * W


class Attention(nn.Module):
    def forward(self, x):
        heads = x.unflatten(-1, (2, W // 2)).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads)


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(W, 2, batch_first=True)

    def forward(self, x):
        return self.inner(x, x, x, need_weights=False)[0]


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Bilinear(W, W, 7)

    def forward(self, x):
        return self.inner(x, x)


class Vectors(nn.Module):
    def forward(self, x):
        matrix, vector = x[0], x[0, 0]
        return torch.dot(vector, vector) + torch.mv(matrix, vector) + torch.addmv(matrix[:, 0], matrix, vector)


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize(
    ("module", "products"),
    [
        (nn.Linear(W, 7), N * T * W * 7),
        (nn.Conv1d(T, 4, 3), N * (W - 2) * 3 * T * 4),
        (Attention(), ATTENTION),
        (SelfAttention(), ATTENTION + PROJECTIONS),
        (nn.TransformerEncoderLayer(W, 2, 16, batch_first=True), ATTENTION + PROJECTIONS + 2 * N * T * W * 16),
        (nn.LSTM(W, 6, batch_first=True), N * T * 4 * 6 * (W + 6)),
        (nn.LSTM(W, 6, 2, batch_first=True, bidirectional=True), 2 * N * T * 4 * 6 * (W + 6 + 2 * 6 + 6)),
        (nn.GRU(W, 6, batch_first=True), N * T * 3 * 6 * (W + 6)),
        (nn.RNN(W, 6, batch_first=True), N * T * 6 * (W + 6)),
        (Pair(), N * T * W * W * 7),
        (Vectors(), W + 2 * T * W),
        (nn.LayerNorm(W), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_products_of_a_module(module, products, inference):
    counted = MatrixProducts()
    module.eval()
    with torch.inference_mode(inference), torch.no_grad(), counted:
        module(X)
    assert counted.count == products


def test_keys_of_another_length_and_fewer_heads():
    counted = MatrixProducts()
    query, key = torch.randn(N, 4, T, W), torch.randn(N, 2, 9, W)
    with torch.no_grad(), counted:
        F.scaled_dot_product_attention(query, key, key, enable_gqa=True)
    assert counted.count == 2 * N * 4 * T * 9 * W


def test_sequences_of_several_lengths_are_counted_as_long_as_they_are():
    layer = nn.TransformerEncoderLayer(W, 2, 16, batch_first=True).eval()
    nested = torch.nested.nested_tensor([torch.randn(3, W), torch.randn(5, W)])
    counted = MatrixProducts()
    with torch.no_grad(), counted:
        layer(nested)
    assert counted.count == 2 * (9 + 25) * W + 8 * (4 * W * W + 2 * W * 16)


def test_recurrent_layers_of_an_accelerator_are_counted_by_their_weights():
    from memrix.model.matrix_products import _FORMULAS

    weights = [torch.empty(24, W), torch.empty(24, 6), torch.empty(24), torch.empty(24)]
    assert _FORMULAS[torch.ops.aten._cudnn_rnn](X, weights, 4) == N * T * 24 * (W + 6)
