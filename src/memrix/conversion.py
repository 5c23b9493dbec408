"""The verbs on whole models: quantize, calibrate, program."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from memrix.errors import CalibrationError, ConversionError, NumericsError
from memrix.nn.base import RANGE, CrossbarLayer, QuantizedLayer
from memrix.nn.fast_path import disable_fast_paths
from memrix.quantization.observers import RangeObserver
from memrix.random import Seeds, derive
from memrix.selection import HardwareChoice, Layers, Selected, select


def quantize(model: nn.Module, hardware: HardwareChoice, *, layers: Layers = None) -> None:
    """Replace layers in place by digital twins whose weights and inputs are fake-quantised to the chip's bits.

    Gradients pass straight through the quantisers. Activation ranges found by ``calibrate`` are kept.

    Args:
        model: any module.
        hardware: the chip, or a mapping of name patterns to chips (``None``: stays as it is).
        layers: name patterns or a predicate ``(name, module) -> bool``; all that can be mapped by default.

    Raises:
        ConversionError: lists every layer that cannot be mapped as asked.
        NumericsError: a weight is not finite.
    """
    selected = select(model, hardware, layers)
    _require_finite_weights(selected)
    for layer in selected:
        layer.handler.twin.adopt(layer.module, layer.name, layer.hardware)
    disable_fast_paths(model)


def calibrate(
    model: nn.Module,
    batches: Iterable[Any],
    hardware: HardwareChoice,
    *,
    layers: Layers = None,
    percentile: float = 99.99,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Find the static activation range of every layer: a percentile of its input magnitudes over the batches.

    The model runs in evaluation mode and without activation quantisers, and is left in the mode it was in. The
    ranges are kept on the layers, and go with them into ``quantize`` and ``program``.

    Args:
        model: a float or quantised module.
        batches: inputs of ``model``: a tensor, a tuple or list of arguments, or a mapping of keyword arguments each.
        hardware: the chip or chips, as for ``program``.
        layers: name patterns or a predicate; all that can be mapped by default.
        percentile: of the input magnitudes; what lies above is clipped. 100 takes the largest (min/max observers,
            as in arXiv 2505.24721), and leaves few steps to the rest where a network has outliers.
        progress: called with the number of batches done.

    Raises:
        CalibrationError: there is no batch, a layer is not reached by any, or the percentile cannot be.
        NumericsError: an activation is not finite.
        ConversionError: lists every layer that cannot be mapped as asked.
    """
    selected = select(model, hardware, layers)
    observers = {layer.module: RangeObserver(percentile) for layer in selected}
    names = {layer.module: layer.name for layer in selected}
    reached: set[nn.Module] = set()

    def observe(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        activations = inputs[0] if inputs else named["input"]
        if not activations.numel():
            return
        reached.add(module)
        if not observers[module].observe(activations):
            raise NumericsError(
                f"the input of layer {names[module]!r} holds NaN or infinite values during calibration; "
                f"look at the batch, or at the layers before it"
            )

    if isinstance(batches, (Tensor, Mapping, str)):
        raise CalibrationError(
            f"batches must be a list or another iterable of batches, got one {type(batches).__name__}; "
            f"wrap it: [batch]"
        )
    hooks = [layer.module.register_forward_pre_hook(observe, with_kwargs=True) for layer in selected]
    twins = [layer.module for layer in selected if isinstance(layer.module, QuantizedLayer)]
    modes = {module: module.training for module in model.modules()}
    nested = {m: m.use_nested_tensor for m in model.modules() if isinstance(m, nn.TransformerEncoder)}
    try:
        for twin in twins:
            twin.observing = True
        for encoder in nested:
            encoder.use_nested_tensor = False  # the hooks keep its layers from the kernels that understand them
        model.eval()
        done = 0
        with torch.no_grad():
            for done, batch in enumerate(batches, start=1):
                _run(model, batch)
                if progress is not None:
                    progress(done)
    finally:
        for hook in hooks:
            hook.remove()
        for twin in twins:
            twin.observing = False
        for encoder, used in nested.items():
            encoder.use_nested_tensor = used
        for module, training in modes.items():
            module.training = training
    if not done:
        raise CalibrationError("there is no batch to calibrate on; give at least one batch of typical inputs")
    missed = [layer.name for layer in selected if layer.module not in reached]
    if missed:
        raise CalibrationError(
            f"no batch reached these layers with an input: {', '.join(missed)}; give batches that run them, or "
            f"leave them out of the selection"
        )
    for module, observer in observers.items():
        peak = torch.tensor(observer.range(), dtype=torch.float32, device=next(module.parameters()).device)
        # Of a float layer the range stays out of the state_dict, which must load into the model it came from.
        module.register_buffer(RANGE, peak, persistent=isinstance(module, QuantizedLayer))


def program(
    model: nn.Module,
    hardware: HardwareChoice,
    *,
    seed: int | Seeds = 0,
    layers: Layers = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> nn.Module:
    """Write a calibrated model to a chip: a copy whose layers run on crossbars; the model itself is untouched.

    Args:
        model: a float or quantised module, calibrated.
        hardware: the chip, or a mapping of name patterns to chips (``None``: stays digital).
        seed: of the chip, its programming and its reading: one number, or ``Seeds`` for each.
        layers: name patterns or a predicate ``(name, module) -> bool``; all that can be mapped by default.
        progress: called with the cells programmed so far, their number in all and the name of the layer.

    Raises:
        ConversionError: lists every layer that cannot be mapped as asked.
        CalibrationError: a layer has no activation range.
        NumericsError: a weight is not finite.
        HardwareError: the device parameters cannot be read.
    """
    seeds = Seeds.of(seed)
    selected = select(model, hardware, layers)
    _require_calibration(selected)
    _require_finite_weights(selected)
    copies: dict[int, Any] = {}
    chip = copy.deepcopy(model, copies)
    programmed = [
        (layer.name, layer.handler.crossbar.adopt(copies[id(layer.module)], layer.name, layer.hardware))
        for layer in selected
    ]
    disable_fast_paths(chip)
    total = sum(layer.hardware.layout(*layer.matrices(layer.weight).shape).cells for _, layer in programmed)
    done = 0
    for name, layer in programmed:

        def count(cells: int, name: str = name) -> None:
            nonlocal done
            done += cells
            if progress is not None:
                progress(done, total, name)

        layer.program(seeds, count)
    return chip


def reseed(chip: nn.Module, *, read: int) -> None:
    """Restart the read noise of a chip: the same read seed repeats the same readings.

    Raises:
        ConversionError: no layer of the model runs on a chip.
    """
    Seeds(read=read)
    for layer in crossbar_layers(chip):
        layer.crossbar.read_stream.restart(derive(read, "read", layer.name))


def reset_statistics(chip: nn.Module) -> None:
    """Set the counts of ADC conversions of a chip to zero.

    Raises:
        ConversionError: no layer of the model runs on a chip.
    """
    for layer in crossbar_layers(chip):
        layer.crossbar.clipped = 0
        layer.crossbar.conversions = 0


def crossbar_layers(chip: nn.Module) -> list[CrossbarLayer]:
    """The layers of a chip that run on crossbars.

    Raises:
        ConversionError: there is none.
    """
    layers = [module for module in chip.modules() if isinstance(module, CrossbarLayer)]
    if not layers:
        raise ConversionError("no layer of this model runs on a chip; memrix.program gives a model that does")
    return layers


def _run(model: nn.Module, batch: Any) -> None:  # noqa: ANN401
    if isinstance(batch, Mapping):
        model(**batch)
    elif isinstance(batch, (tuple, list)):
        model(*batch)
    elif isinstance(batch, Tensor):
        model(batch)
    else:
        raise CalibrationError(
            f"a batch must be a tensor, a tuple of arguments or a mapping of keyword arguments, "
            f"got {type(batch).__name__}"
        )


def _require_calibration(selected: list[Selected]) -> None:
    missing = [
        layer.name
        for layer in selected
        if not isinstance(peak := getattr(layer.module, RANGE, None), Tensor) or bool(peak.isnan())
    ]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise CalibrationError(
            f"these layers have no activation range: {shown}; run memrix.calibrate(model, batches, hardware) "
            f"with the same selection first"
        )


def _require_finite_weights(selected: list[Selected]) -> None:
    broken = [
        layer.name
        for layer in selected
        if not all(bool(torch.isfinite(p).all()) for p in layer.module.parameters(recurse=False))
    ]
    if broken:
        raise NumericsError(
            f"the parameters of these layers hold NaN or infinite values: {', '.join(broken)}; "
            f"a chip can hold finite weights only: load or train the model again"
        )
