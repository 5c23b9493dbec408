"""Verbs on whole models: quantize, program, and operations on a chip."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from memrix._support.random import Seeds
from memrix._support.tables import listed
from memrix._support.validation import require_integer
from memrix._support.wording import listing
from memrix.crossbar.columns import FEWEST_VECTORS
from memrix.errors import CalibrationError, ConversionError, SettingsError
from memrix.model.contents import Contents
from memrix.model.copying import copy_model, copy_of
from memrix.model.inventory import require_module
from memrix.model.originals import Originals
from memrix.model.patterns import HardwareChoice, Layers
from memrix.model.readiness import foreign_steps, has_calibration_samples, has_range
from memrix.model.references import require_live_functions
from memrix.model.selection import (
    Selected,
    decompose_owners,
    programmed_classes,
    quantized_classes,
    require_finite_weights,
    select,
)
from memrix.model.undo import unchanged_on_failure
from memrix.model.witness import Witness
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.device_resampling import DeviceResampling, TrainingSteps
from memrix.nn.fast_path import disable_fast_paths
from memrix.nn.programming import program_layer, tune
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.state import state_of
from memrix.quantization import Quantization


def quantize(
    model: nn.Module,
    hardware: HardwareChoice,
    quantization: Quantization | None = None,
    *,
    layers: Layers = None,
) -> None:
    """Fake-quantize layers in place: their weights and inputs are rounded to the chip's bits.

    Gradients pass straight through the quantizers. Activation ranges found by ``calibrate`` are kept. After an
    error the model is unchanged.

    Args:
        model: any module.
        hardware: the chip, or a mapping of name patterns to chips (``None``: unchanged).
        quantization: settings of training; by default ranges stay as calibrated, without noise. Learned steps are
            parameters: create the optimizer afterwards.
        layers: name patterns or a predicate ``(name, module) -> bool``; all that can be mapped by default.

    Raises:
        ConversionError: lists every layer that cannot be mapped as asked, and every attribute that holds a method of
            a layer; or a weight is not finite.
        SettingsError: ``quantization`` is not a ``Quantization``.
    """
    if quantization is not None and not isinstance(quantization, Quantization):
        raise SettingsError(
            f"expected a memrix.Quantization or None, got {type(quantization).__name__}; for example "
            f"memrix.Quantization(observer='min-max')"
        )
    selected = select(model, hardware, layers)
    require_finite_weights(selected)
    require_live_functions(Contents.of(model), quantized_classes(selected), copied=False)
    with unchanged_on_failure(model):
        decompose_owners(selected)
        steps = TrainingSteps.of(model) if quantization is not None and quantization.device_resampling else None
        for layer in selected:
            geometry = layer.handler.geometry
            quantized = QuantizedLayer.adopt(layer.module, geometry, layer.name, layer.hardware)
            weight = quantized.weight.detach().float()
            quantized.memrix.train_with(quantization, geometry.weight_to_matrix(quantized, weight))
            if quantization is not None and steps is not None:
                quantized.memrix.training_forward = DeviceResampling(quantization.seed, steps)
        disable_fast_paths(model)


def set_epoch(model: nn.Module, epoch: int) -> None:
    """Set the epoch of a quantized model: weight noise may start at an epoch.

    Args:
        model: prepared by ``quantize``.
        epoch: counted from 0.

    Raises:
        ConversionError: the model is not a module, or has no quantized layer.
        SettingsError: the epoch is not an integer from 0.
    """
    require_integer("epoch", epoch, 0, 1 << 31)
    for layer in quantized_layers(model).values():
        layer.memrix.set_epoch(epoch)


def program(
    model: nn.Module,
    hardware: HardwareChoice,
    *,
    seed: int | Seeds = 0,
    layers: Layers = None,
    inplace: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> nn.Module:
    """Program a calibrated model onto a chip: a copy whose layers run on crossbars. The model is unchanged.

    Objects that cannot be copied, such as a lock or an open file, are shared with the model. Tensors that the model
    stores in a call are copied without their graph. A call of the whole chip that reads none of its layers is an
    error until one layer has been read; a first call that runs layers of the model itself is warned of.

    Args:
        model: a float or quantized module, calibrated.
        hardware: the chip, or a mapping of name patterns to chips (``None``: stays digital).
        seed: of devices, programming and read noise: one number, or ``Seeds``. The same seed, by default 0, gives
            the same chip in every call; give another one for another chip.
        layers: name patterns or a predicate ``(name, module) -> bool``; all that can be mapped by default.
        inplace: turn the model itself into the chip and return it: functions that it holds then run the chip, and
            nothing is copied. After an error the model is unchanged.
        progress: called with the number of cells programmed so far, the total, and the name of the layer.

    Raises:
        ConversionError: lists every layer that cannot be mapped as asked, or every attribute that would still run the
            original, or names one that cannot be copied; or a weight is not finite.
        CalibrationError: a layer has no activation range.
        SettingsError: the device parameters cannot be read.
    """
    seeds = Seeds.of(seed)
    selected = select(model, hardware, layers)
    _require_readiness(selected)
    require_finite_weights(selected)
    contents = Contents.of(model)
    require_live_functions(contents, programmed_classes(selected), copied=not inplace)
    if inplace:
        with unchanged_on_failure(model):
            _write(model, [(layer, layer.module) for layer in selected], seeds, progress)
        return model
    chip, copies = copy_model(model, contents)
    _write(chip, [(layer, copy_of(layer.module, layer.name, copies)) for layer in selected], seeds, progress)
    Originals.watch(chip, model, copies)
    return chip


def _write(
    chip: nn.Module,
    selected: list[tuple[Selected, nn.Module]],
    seeds: Seeds,
    progress: Callable[[int, int, str], None] | None,
) -> None:
    """Move layers of a model to crossbars, in place, and program them."""
    programmed = [
        CrossbarLayer.adopt(module, layer.handler.geometry, layer.name, layer.hardware) for layer, module in selected
    ]
    disable_fast_paths(chip)
    sizes = (layer.memrix.chip.layout(*layer.memrix.geometry.matrix_shape(layer)) for layer in programmed)
    count = counting(progress, sum(layout.cells for layout in sizes))
    for layer in programmed:
        program_layer(layer, seeds, count(layer.memrix.name), tune)
    for module in chip.modules():
        if (state := state_of(module)) is not None:
            state.keep_sample(None)
    Witness.watch(chip)


def reseed(model: nn.Module, *, read: int) -> None:
    """Restart the noise of a chip: the same read seed repeats the same readings.

    The noise of training (weight noise, device resampling) follows torch's default generator, as dropout does: for a
    quantized model in training mode use ``torch.manual_seed``.

    Args:
        model: the chip.
        read: seed of the read noise.

    Raises:
        ConversionError: the model is not a module, or no layer of it runs on a chip or is quantized.
    """
    Seeds(read=read)
    require_module(model)
    layers = [module for module in model.modules() if isinstance(module, QuantizedLayer)]
    if not layers:
        raise ConversionError(
            "no layer of this model runs on a chip; memrix.program returns one that does, memrix.quantize one "
            "for training"
        )
    for layer in layers:
        if layer.memrix.array is not None:
            layer.memrix.array.restart_noise(read)
    if any(layer.memrix.array is None and layer.memrix.quantization is not None for layer in layers):
        torch.manual_seed(read)


def reset_statistics(chip: nn.Module) -> None:
    """Set the counts of ADC conversions of a chip to zero.

    Args:
        chip: a programmed model.

    Raises:
        ConversionError: the model is not a module, or no layer of it runs on a chip.
    """
    for layer in crossbar_layers(chip):
        layer.memrix.programmed.crossbar.reset_counts()


def crossbar_layers(chip: nn.Module) -> list[CrossbarLayer]:
    """The layers of a chip that run on crossbars.

    Raises:
        ConversionError: the chip is not a module, or there is none.
    """
    require_module(chip)
    layers = [module for module in chip.modules() if isinstance(module, CrossbarLayer)]
    if not layers:
        raise ConversionError("no layer of this model runs on a chip; memrix.program returns one that does")
    return layers


def quantized_layers(model: nn.Module) -> dict[str, QuantizedLayer]:
    """The quantized layers of a model by name.

    Raises:
        ConversionError: the model is not a module, or there is none.
    """
    require_module(model)
    layers = {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLayer)}
    if not layers:
        raise ConversionError("no layer of this model is quantized; call memrix.quantize first")
    return layers


def counting(progress: Callable[[int, int, str], None] | None, total: int) -> Callable[[str], Callable[[int], None]]:
    """Progress over all layers: for the name of a layer, the function to call with its programmed cells.

    Args:
        progress: called with the cells so far, the total and the name of the layer.
        total: cells of all layers.
    """
    done = 0

    def of(name: str) -> Callable[[int], None]:
        def count(cells: int) -> None:
            nonlocal done
            done += cells
            if progress is not None:
                progress(done, total, name)

        return count

    return of


def _require_readiness(selected: list[Selected]) -> None:
    foreign = foreign_steps(selected)
    if foreign:
        raise ConversionError(f"the layers cannot be programmed as asked:{listing(foreign)}")
    missing = [layer.name for layer in selected if not has_range(layer)]
    if missing:
        raise CalibrationError(
            f"these layers have no activation range: {listed(missing)}; run memrix.calibrate(model, batches, "
            f"hardware) with the same selection first"
        )
    untried = [layer.name for layer in selected if not has_calibration_samples(layer)]
    if untried:
        raise CalibrationError(
            f"these layers have no calibration samples, or too few: {listed(untried)}; this hardware is tuned with "
            f"them after programming: run memrix.calibrate(model, batches, hardware) with the same hardware, on "
            f"batches that give every layer at least {FEWEST_VECTORS} vectors"
        )
