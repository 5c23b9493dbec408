"""``torch.fx`` and ``torch.func``: quantized layers are traced and transformed, chips are traced alone."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, stack_module_state, vmap

import memrix
from memrix.errors import ConversionError
from memrix.quantization import Quantization

QUIET = memrix.Hardware.preset("physical").replace(noise="off")
X = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    memrix.calibrate(model, [X], QUIET)
    return model


def quantized(quantization: Quantization | None = None) -> nn.Module:
    model = network()
    memrix.quantize(model, QUIET, quantization)
    return model.eval()


def chip() -> nn.Module:
    return memrix.program(network(), QUIET).eval()


TWINS = {
    "quantized": quantized,
    "learned": lambda: quantized(Quantization(learned_steps=True)),
    "with output quantizers": lambda: with_output_ranges(),
    "fixed in training": lambda: quantized(Quantization(observer="fixed")).train(),
    "per tensor": lambda: per_tensor(),
}


def with_output_ranges() -> nn.Module:
    model = quantized(Quantization(output_quantizers=True))
    memrix.calibrate(model, [X], QUIET)
    return model


def per_tensor() -> nn.Module:
    hardware = QUIET.replace(weight_scale="per-tensor")
    model = network()
    memrix.quantize(model, hardware)
    return model.eval()


def parameters(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


class TestQuantizedModelsAreTransformed:
    @pytest.fixture(params=TWINS.values(), ids=TWINS)
    def model(self, request):
        return request.param()

    def test_gradients(self, model):
        def loss(weights, x):
            return functional_call(model, weights, (x,)).square().sum()

        model(X).square().sum().backward()
        found = grad(loss)(parameters(model), X)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad)
        one_by_one = vmap(grad(loss), (None, 0))(parameters(model), X)
        if not any("learned" in name for name in found):  # whose gradients are scaled by the size of the batch
            torch.testing.assert_close(one_by_one["0.weight"].sum(0), found["0.weight"])

    def test_a_batch(self, model):
        assert torch.equal(vmap(model)(X), model(X))

    def test_models_side_by_side(self, model):
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.mul_(0.5)
        weights, buffers = stack_module_state([model, other])
        outputs = vmap(lambda w, b, x: functional_call(model, (w, b), (x,)), (0, 0, None))(weights, buffers, X)
        torch.testing.assert_close(outputs, torch.stack([model(X), other(X)]))

    def test_forward_mode_agrees_with_reverse_mode(self, model):
        output, tangent = jvp(model, (X,), (torch.ones_like(X),))
        assert torch.equal(output, model(X))
        jacobian = torch.autograd.functional.jacobian(model, X)
        torch.testing.assert_close(tangent, jacobian.flatten(2).sum(2))
        torch.testing.assert_close(jacrev(model)(X), jacobian)
        torch.testing.assert_close(jacfwd(model)(X), jacobian)
        with forward_ad.dual_level():
            dual = forward_ad.unpack_dual(model(forward_ad.make_dual(X, torch.ones_like(X))))
        torch.testing.assert_close(dual.tangent, tangent)


TRANSFORMS = {
    "grad": lambda model: grad(lambda x: model(x).sum())(X),
    "vmap": lambda model: vmap(model)(X),
    "jvp": lambda model: jvp(model, (X,), (X,)),
    "jacfwd": lambda model: jacfwd(model)(X),
    "jacrev": lambda model: jacrev(model)(X),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
class TestWhatCannotBeTransformedSaysSo:
    def test_a_chip(self, transform):
        with pytest.raises(ConversionError, match=r"'0' reads cells of a chip.*functional_call alone works"):
            transform(chip())

    @pytest.mark.parametrize(
        "quantization",
        [Quantization(), Quantization("fixed", weight_noise=0.1), Quantization("fixed", device_resampling=True)],
        ids=["observed", "noisy", "device resampling"],
    )
    def test_training_that_changes_state(self, transform, quantization):
        with pytest.raises(ConversionError, match=r"'0' updates ranges or draws noise in training mode.*eval"):
            transform(quantized(quantization).train())


def test_forward_mode_through_a_chip_is_refused_and_reverse_mode_works():
    model = chip()
    with forward_ad.dual_level(), pytest.raises(ConversionError, match="forward-mode differentiation"):
        model(forward_ad.make_dual(X, X))
    assert torch.autograd.functional.jacobian(model, X).shape == (4, 3, 4, 6)
    assert torch.equal(functional_call(model, parameters(model), (X,)), model(X))


class Mixed(nn.Module):
    """Composite layers, a keyword, a layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose1d(6, 6, 2, stride=2)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.recurrent = nn.LSTM(6, 6, batch_first=True)
        self.head = nn.Linear(6, 6)

    def forward(self, x):
        x = self.up(input=x.transpose(1, 2), output_size=[9]).transpose(1, 2)
        y, _ = self.attention(x, x, x)
        z, _ = self.recurrent(y)
        return self.head(self.head(z))


SEQUENCES = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))


def mixed() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Mixed()
    memrix.calibrate(model, [SEQUENCES], QUIET)
    return model.eval()


def quantized_in_place(model: nn.Module) -> nn.Module:
    memrix.quantize(model, QUIET)
    return model


@pytest.mark.parametrize(
    "made", [quantized_in_place, lambda model: memrix.program(model, QUIET)], ids=["quantized", "chip"]
)
def test_layers_are_nodes_of_a_graph_that_computes_the_same(made):
    model = made(mixed())
    graph = torch.fx.symbolic_trace(model)
    called = [node.target for node in graph.graph.nodes if node.op == "call_module"]
    assert called == ["up", "attention", "recurrent", "head", "head"]
    with torch.no_grad():
        assert torch.equal(graph(SEQUENCES), model(SEQUENCES))


def test_a_chip_is_traced_as_a_part_of_something_larger():
    programmed = memrix.program(mixed(), QUIET)
    graph = torch.fx.symbolic_trace(nn.Sequential(programmed, nn.ReLU()))
    with torch.no_grad():
        assert torch.equal(graph(SEQUENCES), programmed(SEQUENCES).relu())
    assert memrix.summary(programmed).conversions > 0


def test_a_graph_of_a_float_model_is_a_model():
    graph = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3)))
    memrix.calibrate(graph, [X], QUIET)
    programmed = memrix.program(graph, QUIET)
    programmed(X)
    assert all(layer.conversions for layer in memrix.summary(programmed).layers)
    memrix.quantize(graph, QUIET)
    assert graph(X).shape == (4, 3)


def test_a_layer_that_is_all_there_is_to_trace_says_so():
    layer = nn.Linear(6, 3)
    memrix.calibrate(layer, [X], QUIET)
    with pytest.raises(ConversionError, match=r"put it into an nn\.Sequential"):
        torch.fx.symbolic_trace(memrix.program(layer, QUIET))
