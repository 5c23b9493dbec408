"""Twins and chips are ordinary modules: compilation, export, several processes, precisions."""

import copy
import os
import socket

import pytest
import torch
import torch.multiprocessing
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import memrix

QUIET = memrix.Hardware.preset("physical").replace(noise="off")


def inputs(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 5))
    memrix.calibrate(model, [inputs(16, 3, 8)], QUIET)
    return model


def fake_quantized(quantization: memrix.Quantization | None = None) -> nn.Module:
    model = network()
    memrix.quantize(model, QUIET, quantization)
    return model


@pytest.mark.parametrize(
    "made", [fake_quantized, lambda: memrix.program(network(), QUIET)], ids=["fake-quantized", "chip"]
)
def test_compiled_modules_give_the_same_outputs(made):
    module, x = made().eval(), inputs(4, 3, 8)
    compiled = torch.compile(module, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), module(x), rtol=0, atol=1e-6)
    torch._dynamo.reset()


def test_a_compiled_chip_still_has_noise_and_counts():
    # Steps of the converter that the noise exceeds.
    fine = memrix.Hardware.preset("physical").replace(**{"adc.precision_bits": 10})
    chip = memrix.program(network(), fine).eval()
    compiled = torch.compile(chip, backend="aot_eager")
    with torch.no_grad():
        assert not torch.equal(compiled(inputs(4, 3, 8)), compiled(inputs(4, 3, 8)))
    # 2 calls, 4 inputs: 6 windows of 4 channels and 5 outputs, in 3 planes each.
    assert memrix.summary(chip).conversions == 2 * 4 * (6 * 4 + 5) * 3
    torch._dynamo.reset()


def test_a_long_reading_of_a_noisy_chip_is_compiled_and_exported():
    layer, x = nn.Linear(3, 40), inputs(2000, 3)
    memrix.calibrate(layer, [x], QUIET)
    chip = memrix.program(nn.Sequential(layer), memrix.Hardware.preset("physical")).eval()
    with torch.no_grad():
        expected = chip(x)
        for run in (torch.compile(chip, backend="eager"), torch.export.export(chip, (x,)).module()):
            torch.testing.assert_close(run(x), expected, rtol=0, atol=0.3)
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("noise", ["off", "physical"])
def test_a_traced_chip_reads_what_the_chip_reads(noise):
    chip, x = memrix.program(network(), QUIET.replace(noise=noise)).eval(), inputs(4, 3, 8)
    with torch.no_grad():
        traced = torch.jit.trace(chip, x, check_trace=False)
        memrix.reseed(chip, read=1)
        expected = chip(x)
        memrix.reseed(chip, read=1)
        assert torch.equal(traced(x), expected)


@pytest.mark.parametrize(
    "made", [fake_quantized, lambda: memrix.program(network(), QUIET)], ids=["fake-quantized", "quiet chip"]
)
def test_exported_graphs_give_the_same_outputs(made):
    module, x = made().eval(), inputs(4, 3, 8)
    with torch.no_grad():
        graph = torch.export.export(module, (x,)).module()
        torch.testing.assert_close(graph(x), module(x), rtol=0, atol=1e-6)


def quantized_to_train() -> nn.Module:
    return fake_quantized(memrix.Quantization(observer="fixed", learned_steps=True))


def losses_of_training(model: nn.Module, rank: int = 0, processes: int = 1) -> list[float]:
    """The losses of what a process sees of four batches."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(4):
        x, y = inputs(16, 3, 8, seed=step), inputs(16, 5, seed=100 + step)
        mine = slice(rank * 16 // processes, (rank + 1) * 16 // processes)
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x[mine]), y[mine])
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def _train(rank: int, port: int, results: dict[int, list[float]]) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    results[rank] = losses_of_training(DistributedDataParallel(quantized_to_train()), rank, 2)
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_learn_as_one():
    alone = losses_of_training(quantized_to_train())
    with torch.multiprocessing.get_context("spawn").Manager() as manager:
        results = manager.dict()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        torch.multiprocessing.spawn(_train, (port, results), nprocs=2)
        both = [sum(losses) / 2 for losses in zip(results[0], results[1], strict=True)]
    # A step's own gradient counts values, of which two processes see half each: it is scaled a little otherwise.
    assert both == pytest.approx(alone, rel=0.02)
    assert alone[-1] < alone[0]


def test_a_chip_in_half_precision_keeps_the_precision_of_its_cells():
    chip = memrix.program(network(), QUIET)
    half = copy.deepcopy(chip).to(torch.bfloat16)
    assert half[0].memrix.array.crossbar.difference.dtype == torch.float32
    with torch.no_grad():
        output = half(inputs(4, 3, 8).to(torch.bfloat16))
        torch.testing.assert_close(output.float(), chip(inputs(4, 3, 8)), rtol=0.05, atol=0.05)
    assert output.dtype == torch.bfloat16


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("made", ["scripted", "traced"])
def test_parts_that_are_compiled_to_torchscript_stay_digital(made, inplace, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        part = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
        compiled = torch.jit.script(part) if made == "scripted" else torch.jit.trace(part, torch.zeros(2, 6))
        model = nn.Sequential(nn.Linear(6, 6), compiled, nn.Linear(6, 4)).eval()
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    exact = model(x).detach()
    hardware = memrix.Hardware.preset("ideal").replace(weight_bits=8)
    layers = ["0", "2"]
    memrix.calibrate(model, [x], hardware, layers=layers)
    chip = memrix.program(model, hardware, layers=layers, inplace=inplace)
    assert float((chip(x) - exact).norm() / exact.norm()) < 0.02
    summary = memrix.summary(chip)
    assert [layer.name for layer in summary.layers] == layers
    assert summary.digital[0].name == "1.0"
    memrix.save(chip, tmp_path / "chip.safetensors")
    for each in (copy.deepcopy(chip), chip):
        assert torch.equal(each(x), chip(x))
