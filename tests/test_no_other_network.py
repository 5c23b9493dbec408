"""No result is silently of another network: every layer, preset and verb, against definitions in float64."""

import copy
import itertools
import pickle

import pytest
import torch
from torch import nn

import memrix
from memrix._support.preset_names import PRESETS
from memrix.nn import registry
from tests import by_hand
from tests.layer_examples import EXAMPLES, made
from tests.walk import LIMITS, ROUNDING, Right, Walk, wrong_networks

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")


def quantized_for_evaluation(walk: Walk) -> nn.Module:
    return walk.quantized()


def quantized_for_training(walk: Walk) -> nn.Module:
    return walk.quantized().train()


def trained_with_an_observer(walk: Walk) -> nn.Module:
    return walk.quantized(memrix.Quantization(observer="min-max")).train()


def trained_with_learned_steps(walk: Walk) -> nn.Module:
    return walk.quantized(memrix.Quantization(observer="fixed", learned_steps=True)).train()


def quantized_twice(walk: Walk) -> nn.Module:
    model = walk.calibrated()
    memrix.quantize(model, walk.hardware.replace(weight_bits=2, **{"dac.bits": 4}), layers=walk.example.layers)
    model(*walk.example.inputs)
    memrix.quantize(model, walk.hardware, layers=walk.example.layers)
    return model


def quantized_and_calibrated_again(walk: Walk) -> nn.Module:
    model = walk.calibrated()
    for state in (m for m in model.modules() if hasattr(m, "input_range")):
        state.input_range *= 3
    walk.calibrate(model)
    memrix.quantize(model, walk.hardware, layers=walk.example.layers)
    return model


def quantized_from_a_state(walk: Walk) -> nn.Module:
    model, other = walk.quantized(), walk.quantized(seed=1)
    other(*walk.example.inputs)
    other.load_state_dict(model.state_dict())
    return other


def quantized_and_pickled(walk: Walk) -> nn.Module:
    return pickle.loads(pickle.dumps(walk.quantized()))


QUANTIZED = [
    quantized_for_evaluation,
    quantized_for_training,
    trained_with_an_observer,
    trained_with_learned_steps,
    quantized_twice,
    quantized_and_calibrated_again,
    quantized_from_a_state,
    quantized_and_pickled,
]


def programmed(walk: Walk) -> nn.Module:
    return walk.chip()


def programmed_in_place(walk: Walk) -> nn.Module:
    return walk.program(walk.calibrated(), inplace=True)


def programmed_from_a_quantized_model(walk: Walk) -> nn.Module:
    return walk.program(walk.quantized())


def programmed_twice_with_other_hardware(walk: Walk) -> nn.Module:
    model = walk.quantized()
    memrix.program(
        model,
        walk.hardware.replace(weight_bits=2, **{"tile.rows": 4}),
        layers=walk.example.layers,
    )
    return walk.program(model)


def calibrated_again(walk: Walk) -> nn.Module:
    model = walk.calibrated()
    walk.calibrate(model)
    return walk.program(model)


def saved_and_loaded(walk: Walk) -> nn.Module:
    memrix.save(walk.chip(), walk.folder / "chip.safetensors")
    return memrix.load(walk.folder / "chip.safetensors", made(walk.example, 1))


def loaded_in_place(walk: Walk) -> nn.Module:
    memrix.save(walk.chip(), walk.folder / "chip.safetensors")
    model = made(walk.example, 1)
    return memrix.load(walk.folder / "chip.safetensors", model, inplace=True)


def copied(walk: Walk) -> nn.Module:
    chip = walk.chip()
    other_copy = copy.deepcopy(chip)
    for parameter in chip.parameters():
        parameter.data.zero_()  # the copy has its own
    return other_copy


def pickled(walk: Walk) -> nn.Module:
    return pickle.loads(pickle.dumps(walk.chip()))


def state_in_another_chip(walk: Walk) -> nn.Module:
    other = walk.program(walk.calibrated(1), seed=1)
    other(*walk.example.inputs)
    other.load_state_dict(walk.chip().state_dict())
    return other


def state_assigned_to_another_chip(walk: Walk) -> nn.Module:
    other = walk.program(walk.calibrated(1), seed=1)
    other(*walk.example.inputs)
    other.load_state_dict(copy.deepcopy(walk.chip().state_dict()), assign=True)
    return other


def reseeded(walk: Walk) -> nn.Module:
    chip = walk.chip()
    memrix.reseed(chip, read=7)
    first = chip(*walk.example.inputs)
    memrix.reseed(chip, read=7)
    assert torch.equal(chip(*walk.example.inputs), first)
    return chip


def summarized(walk: Walk) -> nn.Module:
    chip = walk.chip()
    for layer in memrix.summary(chip, [walk.example.inputs]).layers:
        assert layer.error_energy <= max(LIMITS[walk.preset], 1e-4) ** 2 * layer.signal_energy
    return chip


def checked(walk: Walk) -> nn.Module:
    model = walk.calibrated()
    assert memrix.check(model, walk.hardware, layers=walk.example.layers, batches=[walk.example.inputs]).ok
    return walk.program(model)


def cast_there_and_back(walk: Walk) -> nn.Module:
    return walk.chip().double().float()


def trained_with_device_resampling(walk: Walk) -> nn.Module:
    return walk.quantized(memrix.Quantization(observer="fixed", device_resampling=True)).train()


ON_CHIP = [
    programmed,
    programmed_in_place,
    programmed_from_a_quantized_model,
    programmed_twice_with_other_hardware,
    calibrated_again,
    saved_and_loaded,
    loaded_in_place,
    copied,
    pickled,
    state_in_another_chip,
    state_assigned_to_another_chip,
    reseeded,
    summarized,
    checked,
    cast_there_and_back,
    trained_with_device_resampling,
]


def test_every_layer_that_is_registered_has_an_example():
    # Layers that other tests, or the code of documents, register in the same process are theirs.
    known = {
        kind
        for kind in (*registry._HANDLERS, *registry._COMPOSITES)
        if isinstance(kind, str) or kind.__module__.partition(".")[0] in ("torch", "memrix", "transformers")
    }
    assert len(known) > 15
    missing = known - {example.kind for example in EXAMPLES.values()}
    assert not missing, f"tests/layer_examples.py has no example of {missing}; add one with its definition by hand"


@pytest.fixture
def walk(request, tmp_path) -> Walk:
    name, preset = request.param
    if "transformers" in str(EXAMPLES[name].kind):
        pytest.importorskip("transformers")
    return Walk(EXAMPLES[name], preset, tmp_path)


# One layer and one composite on every chip; the others on the quiet one, and on the rest at leisure.
_OFTEN = ("Linear", "LSTM, projected")
_TURNS = 4


def _walks() -> list:
    """Chip, layer and verbs: all verbs at leisure, and often a quarter for each layer, so that each is of some."""
    walks = []
    turns = itertools.cycle(range(_TURNS))
    for name in EXAMPLES:
        for preset in PRESETS:
            label = f"{name}-{preset}"
            walks.append(pytest.param((name, preset), slice(None), id=label, marks=pytest.mark.slow))
            if preset == "ideal" or name in _OFTEN:
                some = slice(next(turns), None, _TURNS)
                walks.append(pytest.param((name, preset), some, id=f"{label}, some verbs"))
    return walks


@pytest.mark.parametrize(("walk", "verbs"), _walks(), indirect=["walk"])
def test_every_verb_gives_the_network_that_was_asked_for(walk, verbs):
    weights = by_hand.weights_of(made(walk.example).layer)
    right, followed = Right(walk, weights), Right(walk, weights, following=True)
    for verb in QUANTIZED[verbs]:
        output = verb(walk)(*walk.example.inputs)
        (followed if verb is trained_with_an_observer else right).assert_is(output, ROUNDING, verb.__name__)
    for verb in ON_CHIP[verbs]:
        output = verb(walk)(*walk.example.inputs)
        right.assert_is(output, LIMITS[walk.preset], verb.__name__)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_chip_of_a_wrong_network_is_noticed(preset, tmp_path):
    """The walk can fail."""
    for name in ("Linear", "Conv2d", "LSTM, projected"):
        walk = Walk(EXAMPLES[name], preset, tmp_path)
        model = made(walk.example)
        weights = by_hand.weights_of(model.layer)
        right = Right(walk, weights)
        for other, its in wrong_networks(weights):
            model.layer.load_state_dict({key: value.float() for key, value in its.items()})
            walk.calibrate(model)
            output = walk.program(model)(*walk.example.inputs)
            with pytest.raises(AssertionError, match=r"from what float64 gives|of the way to"):
                right.assert_is(output, LIMITS[preset], other)
