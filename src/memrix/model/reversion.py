"""A chip turned back into an ordinary torch model, with the weights that its cells hold."""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch import Tensor, nn

from memrix.model.contents import Contents
from memrix.model.conversion import crossbar_layers
from memrix.model.copying import copy_model
from memrix.model.inventory import rule
from memrix.model.originals import Originals
from memrix.model.references import require_live_functions
from memrix.model.undo import data_unchanged_on_failure, unchanged_on_failure
from memrix.model.witness import Witness
from memrix.nn.adoption import give_back, torch_type
from memrix.nn.composite import DecomposedLayer, Projection
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.fake_quantization import quantized_weight
from memrix.nn.fast_path import enable_fast_paths
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.state import LayerState, state_of


def to_digital(chip: nn.Module, *, inplace: bool = False) -> nn.Module:
    """An ordinary torch model with the weights that the cells of a chip hold: a copy, without any state of memrix.

    All modules have their torch classes again, and the ``state_dict`` has the keys and shapes of the model that was
    programmed. The weight of a layer is what its cells read on average, at full voltage and before the ADC:
    programming errors, stuck cells, drift and switched cells are part of it, and so is a column's gain. A column's
    offset becomes part of the bias, where the layer has one with a value for each column; of a layer without a bias,
    and of a transposed convolution whose windows overlap, offsets are lost. Fake-quantized layers that are left in
    the chip get their quantized weights.

    Not represented: rounding and clipping by DAC and ADC, read noise, the curve of the current over the voltage
    where the DAC does not undo it, quantized outputs, and that a reading may switch cells. A weight that a layer on
    cells shares with a digital one is no longer shared: the digital one keeps its own.

    Args:
        chip: as ``memrix.program`` or ``memrix.load`` gave it.
        inplace: whether the chip itself becomes the digital model and is returned. After an error it is as it was.

    Raises:
        ConversionError: no layer of the model runs on a chip; or it cannot be copied, or holds functions that would
            go on running the chip.
    """
    crossbar_layers(chip)
    contents = Contents.of(chip)
    adopted: dict[nn.Module, type[nn.Module]] = {
        module: torch_type(type(module)) for module in chip.modules() if isinstance(module, QuantizedLayer)
    }
    require_live_functions(contents, adopted, copied=not inplace)
    with ExitStack() as stack:
        if inplace:
            model = chip
            stack.enter_context(unchanged_on_failure(model))
            stack.enter_context(data_unchanged_on_failure(model))
        else:
            # Cells are read where they are: a copy of them would not be used.
            states = [state for module in chip.modules() if (state := state_of(module)) is not None]
            model, _ = copy_model(chip, contents, shared=states)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        for module in list(model.modules()):
            if isinstance(module, QuantizedLayer):
                _take_weights(module, model)
        _revert(model)
    return model


def _take_weights(layer: QuantizedLayer, model: nn.Module) -> None:
    """Write what a layer computes with into its parameters."""
    if not isinstance(layer, CrossbarLayer):
        weight = quantized_weight(layer).detach()
        _own(layer, "weight", model).copy_(weight)
        return
    weight, offset = _held(layer)
    _own(layer, "weight", model).copy_(weight)
    bias = layer.memrix.geometry.bias(layer)
    if bias is not None and offset is not None and offset.numel() == bias.numel():
        _own(layer, "bias", model).add_(offset)


def _held(layer: CrossbarLayer) -> tuple[Tensor, Tensor | None]:
    """The weight that the cells hold on average, and the offsets of the columns."""
    state, array, geometry = layer.memrix, layer.memrix.programmed, layer.memrix.geometry
    array.crossbar.settle_()
    matrices = array.crossbar.matrices() * geometry.by_output(layer, array.weight_step)
    if not array.columns_calibrated:
        return geometry.from_matrices(layer, matrices), None
    full_scale = state.activation_step * state.chip.dac.largest_code
    offset = array.column_offset * geometry.by_output(layer, array.weight_step * full_scale)
    return geometry.from_matrices(layer, matrices * array.column_gain), offset.flatten()


def _own(layer: QuantizedLayer, name: str, model: nn.Module) -> Tensor:
    """A weight or bias of a layer, made its own where a layer that is not on these cells shares it."""
    owner, key = layer.place_of(name) if isinstance(layer, Projection) else (layer, name)
    parameter = owner._parameters[key]
    if parameter is not None and any(
        each is parameter for module in model.modules() if module is not owner for each in module._parameters.values()
    ):
        # By setattr: recurrent layers keep a list of their parameters beside torch's table.
        setattr(owner, key, nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad))
    tensor: Tensor = getattr(layer, name)
    return tensor


def _revert(model: nn.Module) -> None:
    """Give all modules their torch classes back, and take away what is memrix's."""
    Witness.dismiss(model)
    Originals.dismiss(model)
    modules = list(model.modules())
    for module in modules:
        rule(module, None)
        if isinstance(module, QuantizedLayer):
            give_back(module)
        LayerState.detach(module)
    for module in modules:
        if isinstance(module, DecomposedLayer):
            module.recompose_()
    enable_fast_paths(model)
