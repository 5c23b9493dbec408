"""Models of torch's own layers."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import memrix
from tests.models.one_call import LOOKUP, PHYSICAL, assert_runs_on_a_chip
from tests.nn.decomposing import randn


@pytest.mark.parametrize("batch_first", [True, False])
def test_transformer(batch_first):
    model = nn.Transformer(8, 2, 2, 2, 16, batch_first=batch_first)
    batch = {
        "src": randn(2, 2, 8),
        "tgt": randn(2, 2, 8),
        "tgt_mask": nn.Transformer.generate_square_subsequent_mask(2).isinf(),
        "tgt_is_causal": True,
        "src_key_padding_mask": torch.tensor([[False, False], [False, True]]),
        "memory_key_padding_mask": torch.tensor([[False, False], [False, True]]),
    }
    chip = assert_runs_on_a_chip(model, batch)
    # 2 encoder layers of 4 projections and 2 linear layers, 2 decoder layers of 8 and 2
    assert len(memrix.summary(chip).layers) == 2 * 6 + 2 * 10


def test_quantized_transformer_learns():
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.1, batch_first=True)
    batch = {"src": randn(2, 3, 8), "tgt": randn(2, 2, 8)}
    memrix.calibrate(model, [batch], PHYSICAL)
    memrix.quantize(model, PHYSICAL)
    model.train()
    model(**batch).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


class Residual(nn.Module):
    """Two convolutions around which the input passes, through a third where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + self.shortcut(x)).relu()


def resnet18(width: int, classes: int) -> nn.Module:
    stages, channels = [], width
    for number in range(4):
        outputs = width << number
        stages += [Residual(channels, outputs, 1 if number == 0 else 2), Residual(outputs, outputs, 1)]
        channels = outputs
    stem = [nn.Conv2d(3, width, 7, 2, padding=3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def test_resnet18():
    chip = assert_runs_on_a_chip(resnet18(width=4, classes=5), {"input": randn(2, 3, 32, 32)})
    assert len(memrix.summary(chip).layers) == 1 + 16 + 3 + 1


class Tagger(nn.Module):
    """One label for each token of padded sentences."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.label = nn.Linear(12, 4)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.table(tokens), lengths, batch_first=True, enforce_sorted=False)
        return self.label(pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0])


def test_lstm_tagger():
    batch = {"tokens": torch.arange(1, 13).view(3, 4), "lengths": torch.tensor([2, 4, 3])}
    chip = assert_runs_on_a_chip(Tagger(), batch, digital={LOOKUP})
    assert len(memrix.summary(chip).layers) == 2 * 2 * 2 + 1


def test_padding_never_reaches_the_chip():
    batch = {"tokens": torch.arange(1, 13).view(3, 4), "lengths": torch.tensor([2, 4, 3])}
    chip = assert_runs_on_a_chip(Tagger(), batch, digital={LOOKUP})
    conversions = {layer.name: layer.conversions for layer in memrix.summary(chip).layers}
    # 9 tokens of 3 planes of 24 gates
    assert conversions["lstm.ih_l0"] == conversions["lstm.hh_l1_reverse"] == 9 * 3 * 24
