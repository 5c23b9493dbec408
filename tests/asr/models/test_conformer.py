import pytest
import torch
from pydantic import ValidationError

import memrix
from memrix.asr.models.attention import SelfAttention, sinusoids
from memrix.asr.models.conformer import PRESETS, Conformer, ConformerSettings

TINY = ConformerSettings(width=16, blocks=2, heads=2, feed_forward=32, kernel=5, channels=(2, 3, 3, 2))


def tiny(**changes):
    torch.manual_seed(0)
    return Conformer(TINY.model_copy(update=changes), labels=11).eval()


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("pooling", [(1, 1), (2, 2)])
def test_padding_changes_nothing(relative, pooling):
    model = tiny(relative_positions=relative, frequency_pooling=pooling)
    features = torch.randn(2, 53, 80)
    logits, lengths = model(features, torch.tensor([53, 30]))
    assert logits.shape == (2, 13, 11)
    assert lengths.tolist() == [13, 7]
    alone, _ = model(features[1:, :30], torch.tensor([30]))
    torch.testing.assert_close(logits[1, :7], alone[0])
    longer, _ = model(torch.cat([features, torch.randn(2, 20, 80)], dim=1), torch.tensor([53, 30]))
    torch.testing.assert_close(longer[0, :13], logits[0])


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_an_utterance_too_short_for_a_frame_is_no_trouble(frames):
    logits, lengths = tiny()(torch.randn(2, 20, 80), torch.tensor([20, frames]))
    assert lengths.tolist() == [5, 0]
    assert logits.isfinite().all()


def test_sizes_are_those_of_the_paper():
    def parameters(name):
        return sum(p.numel() for p in Conformer(PRESETS[name], 79).parameters())

    assert parameters("small") == pytest.approx(3e6, rel=0.02)
    assert parameters("paper") == pytest.approx(42e6, rel=0.02)


@pytest.mark.parametrize("relative", [False, True])
def test_the_paper_has_all_linear_layers_of_blocks_on_memristors(relative):
    model = tiny(relative_positions=relative)
    hardware = memrix.Hardware.preset("ideal").replace(weight_bits=8)
    check = memrix.check(model, {"*": hardware, **dict.fromkeys(model.digital_layers)})
    assert not check.problems
    on_chip = {
        name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear | torch.nn.Conv1d)
    }
    on_chip = {name for name in on_chip if name.startswith("blocks.")}
    choice = {"*": hardware, **dict.fromkeys(model.digital_layers)}
    memrix.calibrate(model, [(torch.randn(2, 40, 80), torch.tensor([40, 30]))], choice)
    chip = memrix.program(model, choice)
    assert {layer.name for layer in memrix.summary(chip).layers} == on_chip
    assert len(on_chip) == 2 * (4 + 4 + 2 + 1 + relative)


def test_relative_positions_are_those_of_their_definition():
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, 0.0, relative_positions=True)
    torch.nn.init.normal_(attention.content_bias)
    torch.nn.init.normal_(attention.position_bias)
    values, frames = torch.randn(1, 5, 8), 5
    query, key, value = (
        part(values)[0].reshape(frames, 2, 4) for part in (attention.query, attention.key, attention.value)
    )
    codes = sinusoids(frames, 8, values)
    expected = torch.empty(frames, 2, 4)
    for head in range(2):
        for i in range(frames):
            scores = []
            for j in range(frames):
                place = attention.position(codes[frames - 1 - (i - j)]).reshape(2, 4)[head]
                content = (query[i, head] + attention.content_bias[head, 0]) @ key[j, head]
                scores.append((content + (query[i, head] + attention.position_bias[head, 0]) @ place) / 2)
            expected[i, head] = torch.stack(scores).softmax(dim=0) @ value[:, head]
    result = attention(values, torch.ones(1, frames, dtype=torch.bool))
    torch.testing.assert_close(result[0], attention.output(expected.flatten(1)))


def test_codes_know_the_sign_of_a_distance():
    codes = sinusoids(4, 6, torch.zeros(()))
    assert codes.shape == (7, 6)
    torch.testing.assert_close(codes[3], torch.tensor([0.0, 1, 0, 1, 0, 1]))
    torch.testing.assert_close(codes[0, 0::2], -codes[6, 0::2])
    torch.testing.assert_close(codes[0, 1::2], codes[6, 1::2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 10, "heads": 4}, "multiple of heads"),
        ({"kernel": 4}, "odd"),
        ({"channels": (0, 1, 1, 1)}, "1 or more"),
        ({"dropout": 1.0}, "less than 1"),
        ({"wdith": 3}, "wdith"),
    ],
)
def test_sizes_that_cannot_be(settings, message):
    with pytest.raises(ValidationError, match=message):
        ConformerSettings(**settings)
