"""Recognizers and states of trainings that were changed: an error of memrix's own, or a sound network."""

import pytest
import torch
from hypothesis import strategies as st

from memrix._support.archive import FileKind, read_archive, write_archive
from memrix.asr.labels import PhonemeLabels, SubwordLabels
from memrix.asr.models.conformer import ConformerSettings
from memrix.asr.recognizer import new_recognizer
from memrix.asr.recognizer_files import load_recognizer, quantize_recognizer, save_recognizer
from memrix.asr.training.state import read_state, write_state
from memrix.errors import CalibrationError, CheckpointError
from memrix.hardware import Hardware
from memrix.quantization import Quantization
from tests.asr.mutated.drawing import COUNTS, changed, explore, or_error, with_other_bytes
from tests.asr.tones import PRONUNCIATIONS
from tests.mutations import LONG_NUMBER, NASTY

pytestmark = pytest.mark.filterwarnings("ignore")
RECOGNIZER = FileKind("recognizer", "`memrix train`", "`memrix train`")


def small(labels):
    torch.manual_seed(0)
    sizes = {"width": 8, "blocks": 1, "heads": 2, "feed_forward": 8, "kernel": 3, "channels": (2, 2, 2, 2)}
    return new_recognizer(ConformerSettings(**sizes, dropout=0.0), labels)


def phonemes():
    return PhonemeLabels({word: (tuple(way.split()),) for word, way in PRONUNCIATIONS.items()})


@pytest.fixture(scope="module", params=["float", "low-bit", "subwords", "packed float", "packed low-bit"])
def recognizer_file(request, place):
    labels = SubwordLabels.trained(["one two three four"] * 3, 16) if request.param == "subwords" else phonemes()
    recognizer = small(labels)
    if request.param.endswith("low-bit"):
        quantize_recognizer(recognizer, Hardware.preset("paper"), Quantization())
        for name, buffer in recognizer.network.named_buffers():
            if name.endswith("input_range"):
                buffer.fill_(2.0)
    path = place / f"{request.param}.safetensors"
    save_recognizer(path, recognizer, {"epochs": [{"epoch": 0}]}, packed=request.param.startswith("packed"))
    return path


def require_sound(recognizer):
    audio = torch.linspace(-0.1, 0.1, 4000).sin().unsqueeze(0)
    try:
        with torch.no_grad():
            found, lengths = recognizer(audio, torch.tensor([4000]))
    except CalibrationError:  # a range that was not found yet is a sound one
        return
    assert found.shape[2] == len(recognizer.labels.symbols)
    assert int(lengths[0]) <= found.shape[1]
    assert found.exp().sum(dim=2).allclose(torch.ones(()), atol=1e-4)


def test_subwords_that_an_earlier_version_saved_as_pieces_are_read(tmp_path):
    labels = SubwordLabels.trained(["one two three four"] * 3, 16)
    save_recognizer(tmp_path / "new.safetensors", small(labels), {})
    tensors, description = read_archive(tmp_path / "new.safetensors", RECOGNIZER)
    description["labels"]["kind"] = "pieces"
    write_archive(tmp_path / "old.safetensors", tensors, description)
    assert load_recognizer(tmp_path / "old.safetensors")[0].labels.symbols == labels.symbols


@pytest.mark.parametrize("count", COUNTS)
def test_a_recognizer_of_another_description_is_refused_or_sound(recognizer_file, place, count):
    tensors, description = read_archive(recognizer_file, RECOGNIZER)
    path = place / "other.safetensors"

    def check(other):
        write_archive(path, tensors, other)
        found = or_error(load_recognizer, path)
        if found is not None:
            require_sound(found[0])

    explore(changed(description, tuple(value for value in NASTY if value is not LONG_NUMBER)), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_recognizer_of_other_tensors_is_refused_or_sound(recognizer_file, place, count):
    tensors, description = read_archive(recognizer_file, RECOGNIZER)
    path = place / "other.safetensors"
    changes = {
        "shape": lambda value: value.flatten()[:-1],
        "type": lambda value: value.long(),
        "half": lambda value: value.half(),
        "complex": lambda value: value.to(torch.complex64),
        "zero": torch.zeros_like,
        "nan": lambda value: value + torch.nan,
        "infinite": lambda value: value + torch.inf,
        "large": lambda value: value * 1e30,
        "empty": lambda value: value.new_zeros(0),
        "huge": lambda value: value.double() * 1e308,
        "negative": lambda value: value * -1,
        "ones": lambda value: torch.full_like(value, 255),
    }

    def check(drawn):
        name, kind = drawn
        write_archive(path, {**tensors, name: changes[kind](tensors[name])}, description)
        found = or_error(load_recognizer, path)
        if found is not None and kind not in ("large", "huge", "ones"):
            require_sound(found[0])

    explore(st.tuples(st.sampled_from(sorted(tensors)), st.sampled_from(sorted(changes))), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_damaged_recognizer_is_refused_or_the_same(recognizer_file, place, count):
    tensors = load_recognizer(recognizer_file)[0].state_dict()
    path = place / "other.safetensors"

    def check(content):
        path.write_bytes(content)
        found = or_error(load_recognizer, path)
        if found is not None:
            for name, value in found[0].state_dict().items():
                assert torch.equal(value.nan_to_num(), tensors[name].nan_to_num())

    explore(with_other_bytes(recognizer_file.read_bytes()), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_damaged_state_is_refused_or_whole(place, count):
    path = place / "last.ckpt"
    epoch = {"epoch": 0, "loss": 1.0, "dev_loss": 1.0, "dev_error_rate": 0.5, "seconds": 2.0}
    moments = {"step": torch.tensor(1.0), "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}
    state = {
        "recognizer": {"mean": torch.ones(2)},
        "optimizer": {"state": {0: moments}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "epoch": 1,
        "batch": 0,
        "loss": 0.0,
        "labels": 0,
        "history": [epoch],
    }
    write_state(path, state)

    def check(damaged):
        path.write_bytes(damaged)
        found = or_error(read_state, path)
        assert found is None or found.keys() == {"format", *state}

    explore(with_other_bytes(path.read_bytes()), check, count)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_deviations_that_features_are_divided_by_are_above_zero(recognizer_file, place, value):
    tensors, description = read_archive(recognizer_file, RECOGNIZER)
    path = place / "other.safetensors"
    write_archive(path, {**tensors, "deviation": torch.full_like(tensors["deviation"], value)}, description)
    with pytest.raises(CheckpointError, match="deviation holds values that are not above 0"):
        load_recognizer(path)
