"""No result is silently of other weights, whatever was done to them before or after a layer was programmed."""

import copy
import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

import memrix
from memrix.errors import ConversionError, WriteError
from memrix.nn import registry
from tests import by_hand
from tests.layer_examples import EXAMPLES, Example, made
from tests.walk import LIMITS, ROUNDING, Walk

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")

# Of half precision, where layers round what they add up, and inputs of further layers fall to other codes.
COARSE = {torch.float16: 0.02, torch.bfloat16: 0.1}


def matrices(layer: nn.Module) -> list[tuple[nn.Module, str]]:
    """Parameters with more than one axis: the modules that hold them, and their names there."""
    return [
        (module, name)
        for module in layer.modules()
        for name, value in module._parameters.items()
        if value is not None and value.dim() > 1
    ]


def edited(change: Callable[[Tensor], Tensor]) -> Callable[[nn.Module], None]:
    """Every matrix replaced by what a function makes of it, as a new parameter."""

    def edit(layer: nn.Module) -> None:
        for module, name in matrices(layer):
            setattr(module, name, nn.Parameter(change(getattr(module, name).detach())))

    return edit


def edited_in_place(layer: nn.Module) -> None:
    with torch.no_grad():
        for module, name in matrices(layer):
            getattr(module, name).mul_(1.5).flip(0)


def edited_through_data(layer: nn.Module) -> None:
    for module, name in matrices(layer):
        getattr(module, name).data[0] *= -1


def given_other_data(layer: nn.Module) -> None:
    for module, name in matrices(layer):
        getattr(module, name).data = getattr(module, name).data.flip(-1)


def pruned_by_torch(layer: nn.Module) -> None:
    for module, name in matrices(layer):
        prune.random_unstructured(module, name, 0.4)
        prune.remove(module, name)


def rows_pruned_by_torch(layer: nn.Module) -> None:
    for module, name in matrices(layer):
        prune.ln_structured(module, name, 0.5, n=2, dim=0)
        prune.remove(module, name)


def weight_norm_removed(layer: nn.Module) -> None:
    for module, name in matrices(layer):
        parametrizations.weight_norm(module, name)
        with torch.no_grad():
            getattr(module.parametrizations, name).original0.mul_(1.5)
        parametrize.remove_parametrizations(module, name)


def frozen(layer: nn.Module) -> None:
    layer.requires_grad_(False)


def _reversed(layer: nn.Module) -> dict[str, Tensor]:
    """The parameters of a state, without the cells that belong to them."""
    return {name: value.detach().flip(0) for name, value in layer.named_parameters()}


def loaded(layer: nn.Module) -> None:
    layer.load_state_dict(_reversed(layer), strict=False)


def assigned(layer: nn.Module) -> None:
    layer.load_state_dict(_reversed(layer), strict=False, assign=True)


def swapped(layer: nn.Module) -> None:
    for module, name in matrices(layer):
        present, other = getattr(module, name), nn.Parameter(getattr(module, name).detach() * -1.25)
        if weakref.getweakrefcount(present):
            setattr(module, name, other)  # torch swaps no weights of layers that look after them, such as nn.LSTM
        else:
            torch.utils.swap_tensors(present, other)


def trained(layer: nn.Module) -> None:
    optimizer = torch.optim.SGD([getattr(module, name) for module, name in matrices(layer)], lr=1.0)
    sum(getattr(module, name).square().sum() for module, name in matrices(layer)).mul(0.1).backward()
    optimizer.step()


Change = Callable[[nn.Module], None]
EDITS: dict[str, Change] = {
    "edited in place": edited_in_place,
    "edited through .data": edited_through_data,
    "given other .data": given_other_data,
    "new parameters": edited(lambda w: w.flip(0)),
    "two columns swapped": edited(lambda w: w[..., [1, 0, *range(2, w.shape[-1])]]),
    "loaded": loaded,
    "assigned by load_state_dict": assigned,
    "swapped with other tensors": swapped,
    "trained": trained,
    "some weights pruned by torch": pruned_by_torch,
    "rows pruned by torch": rows_pruned_by_torch,
    "rows pruned to zero": edited(lambda w: w.index_fill(0, torch.arange(0, len(w), 2), 0.0)),
    "columns pruned to zero": edited(lambda w: w.index_fill(1, torch.arange(0, w.shape[1], 2), 0.0)),
    "all pruned to zero": edited(torch.zeros_like),
}
STATES: dict[str, Change] = {
    **EDITS,
    "weight norm removed": weight_norm_removed,
    "frozen": frozen,
    "not contiguous": edited(lambda w: torch.cat([w, -w], -1)[..., : w.shape[-1]]),
    "every other place of a larger tensor": edited(lambda w: torch.stack([w, -w], -1).flatten(-2)[..., ::2]),
    "expanded": edited(lambda w: w[..., :1].expand_as(w)),
    "made without gradients": edited(torch.no_grad()(lambda w: w * 1.5)),
    "tiny": edited(lambda w: w * 1e-6),
    "half precision": lambda layer: layer.half(),
    "bfloat16": lambda layer: layer.bfloat16(),
    "double precision": lambda layer: layer.double(),
}


def rounding(example: Example) -> float:
    """Of float32, and of inner inputs that fall to the next code by it: of one in a thousand or so."""
    return ROUNDING if example.kind in registry._HANDLERS else 0.005


@pytest.fixture(params=EXAMPLES)
def example(request):
    if "transformers" in str(EXAMPLES[request.param].kind):
        pytest.importorskip("transformers")
    return EXAMPLES[request.param]


def _cast(inputs: tuple[Tensor, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
    return tuple(x.to(dtype) if x.is_floating_point() else x for x in inputs)


_TURNS = 4


def _some(changes: dict[str, Change], example: Example) -> list[tuple[str, Change]]:
    """A quarter of the changes, of which the next layer gets another."""
    return list(changes.items())[list(EXAMPLES.values()).index(example) % _TURNS :: _TURNS]


@pytest.mark.parametrize(
    ("preset", "some"),
    [
        ("ideal", True),
        pytest.param("ideal", False, marks=pytest.mark.slow),
        pytest.param("physical", False, marks=pytest.mark.slow),
    ],
    ids=["ideal, some states", "ideal", "physical"],
)
def test_weights_are_on_the_chip_as_they_are_when_it_is_made(example, preset, some, tmp_path):
    for state, change in _some(STATES, example) if some else STATES.items():
        model = made(example)
        change(model.layer)
        dtype = next(model.parameters()).dtype
        walk = Walk(replace(example, inputs=_cast(example.inputs, dtype)), preset, tmp_path)
        expected = walk.expected(by_hand.weights_of(model.layer))
        walk.calibrate(model)
        chip = walk.program(model)
        memrix.quantize(model, walk.hardware, layers=example.layers)
        tolerance = COARSE.get(dtype, rounding(example))
        for each, limit in ((model, tolerance), (model.train(), tolerance), (chip, max(tolerance, LIMITS[preset]))):
            output = each(*walk.example.inputs)
            assert output.dtype == dtype
            error = by_hand.distance(output.detach(), expected)
            assert error < limit, f"{state}: {error:.3g}"


@pytest.mark.parametrize("some", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["some edits", "all"])
def test_weights_that_are_edited_on_a_chip_are_noticed_and_written(example, some, tmp_path):
    walk = Walk(example, "ideal", tmp_path)
    programmed = walk.chip()
    programmed(*example.inputs)
    before = by_hand.weights_of(made(example).layer)
    for edit, change in _some(EDITS, example) if some else EDITS.items():
        chip = copy.deepcopy(programmed)
        change(chip.layer)
        weights = {name: chip.layer.get_parameter(name).detach().double() for name in before}
        with pytest.raises(WriteError):
            chip(*example.inputs)
        assert memrix.write(chip), edit
        output = chip(*example.inputs).detach()
        error = by_hand.distance(output, walk.expected(weights, ranges_of=before))
        assert error < rounding(example), f"{edit}: {error:.3g}"


def test_weights_that_are_edited_in_a_quantized_model_are_followed(example, tmp_path):
    walk = Walk(example, "ideal", tmp_path)
    model = walk.quantized()
    with torch.no_grad():
        model(*example.inputs)
    before = by_hand.weights_of(made(example).layer)
    for edit, change in EDITS.items():
        other_copy = copy.deepcopy(model)
        with torch.no_grad():
            other_copy(*example.inputs)
        change(other_copy.layer)
        weights = {name: other_copy.layer.get_parameter(name).detach().double() for name in before}
        with torch.no_grad():
            output = other_copy(*example.inputs)
        error = by_hand.distance(output, walk.expected(weights, ranges_of=before))
        assert error < rounding(example), f"{edit}: {error:.3g}"


class Two(nn.Module):
    """Two models on the same inputs."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.stack([self.first(*inputs), self.second(*inputs)])


def shared(example: Example) -> Two:
    first, second = made(example), made(example, 1)
    second.layer = first.layer
    return Two(first, second)


def copied(example: Example) -> Two:
    model = made(example)
    other_copy = copy.deepcopy(model)
    edited_in_place(model.layer)
    return Two(model, other_copy)


def _both(example: Example) -> list[str] | None:
    return None if example.layers is None else ["first.layer", "second.layer"]


@pytest.mark.parametrize("preset", ["ideal", pytest.param("physical", marks=pytest.mark.slow)])
@pytest.mark.parametrize("make", [shared, copied])
def test_layers_that_are_shared_or_copied_each_give_their_own_network(example, make, preset, tmp_path):
    walk = Walk(example, preset, tmp_path)
    model = make(example)
    layers = _both(example)
    if make is shared and layers is not None:
        layers = layers[:1]
    expected = torch.stack([walk.expected(by_hand.weights_of(each.layer)) for each in (model.first, model.second)])
    memrix.calibrate(model, [example.inputs], walk.hardware, layers=layers, percentile=100)
    chips = [memrix.program(model, walk.hardware, layers=layers)]
    chips.append(copy.deepcopy(chips[0]))
    memrix.quantize(model, walk.hardware, layers=layers)
    for each, limit in (
        (model, rounding(example)),
        *((chip, max(rounding(example), LIMITS[preset])) for chip in chips),
    ):
        error = by_hand.distance(each(*example.inputs).detach(), expected)
        assert error < limit, f"{error:.3g}"


def test_layers_that_are_tied_are_refused(example):
    first, second = made(example), made(example, 1)
    for (module, name), (own, own_name) in zip(matrices(second.layer), matrices(first.layer), strict=True):
        setattr(module, name, getattr(own, own_name))
    with pytest.raises(ConversionError, match="share one weight"):
        memrix.calibrate(Two(first, second), [example.inputs], memrix.Hardware(), layers=_both(example))
