"""The state that memrix keeps on a layer, in its attribute ``memrix``."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from memrix._support.tables import percent
from memrix.errors import CalibrationError, ConversionError
from memrix.hardware import Hardware
from memrix.nn.adoption import shallow_copy
from memrix.nn.geometry import Geometry
from memrix.nn.keys import RANGE, STATE
from memrix.nn.programmed import ProgrammedArray
from memrix.nn.quantizers import Quantizers
from memrix.nn.recomputation import Call, Calls
from memrix.nn.weight_cache import WeightCache
from memrix.quantization import Quantization


class TrainingForward(Protocol):
    """Replaces the operation of a layer in training."""

    def __call__(self, layer: Any, input: Tensor, options: dict[str, Any], call: Call) -> Tensor:
        """The layer's output."""


class LayerState(Quantizers):
    """Geometry, quantizers and programmed array of one layer.

    It derives from the quantizers rather than having them, which keeps their names in a ``state_dict``.

    Attributes:
        geometry: how the layer is a product of vectors and matrices.
        observing: whether the activation quantizers are off, because ranges are being found.
        unrounded: whether the weight quantizer is off, because of a look at inputs as they would be without it.
        training_forward: replaces the fake-quantized operation in training mode.
        array: the programmed array, of a layer on a chip.
        calls: of the layer in training.
        cache: of its quantized weight in evaluation.
    """

    def __init__(self, geometry: Geometry, name: str, device: torch.device) -> None:
        super().__init__(geometry, name, device)
        self.observing = self.unrounded = False
        self.training_forward: TrainingForward | None = None
        self.array: ProgrammedArray | None = None
        self.calls = Calls()
        self.cache = WeightCache()

    @classmethod
    def of(cls, layer: nn.Module, geometry: Geometry, name: str) -> LayerState:
        """The state of a layer, which has one from now on."""
        state = state_of(layer)
        if state is None:
            weight: Any = layer.weight
            state = cls(geometry, name, weight.device)
            state.attach(layer)
        return state

    def attach(self, layer: nn.Module) -> None:
        """Become the state of a layer."""
        layer.add_module(STATE, self)

    @staticmethod
    def detach(layer: nn.Module) -> None:
        """Remove the state of a layer, if it has one."""
        if state_of(layer) is not None:
            del layer._modules[STATE]

    def for_other_hardware(self, hardware: Hardware) -> LayerState:
        """A state for other hardware with the same tensors; assigning to one does not change the other."""
        other = shallow_copy(self, LayerState)
        other.adopt(self.geometry, self.name, hardware)
        return other

    @property
    def said(self) -> str:
        """Where the layer runs, in a few words, such as ``on 12 tiles of 128 x 128 pairs, 75% in use, 3 bits``."""
        if self.hardware is None:
            return f"calibrated, inputs up to {self.input_peak:.3g}" if self.calibrated else "not calibrated"
        bits = f"{self.hardware.weight_bits:g} bits"
        if self.array is None:
            return f"weights of {bits}, inputs of {self.hardware.dac.bits} bits"
        layout = self.array.crossbar.layout
        tiles = "1 tile" if layout.tiles == 1 else f"{layout.tiles:,} tiles"
        size = f"{layout.tile.rows} x {layout.tile.columns} pairs"
        return f"on {tiles} of {size}, {percent(layout.utilization)} in use, {bits}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.said})"

    @property
    def programmed(self) -> ProgrammedArray:
        """The programmed array of a layer on a chip."""
        if self.array is None:
            raise CalibrationError(f"layer {self.name!r} is not programmed; memrix.program gives a chip")
        return self.array

    def adopt(self, geometry: Geometry, name: str, hardware: Hardware) -> None:
        """Be the state of a layer that is quantized, or on a chip, for some hardware."""
        self.geometry, self.name, self.hardware = geometry, name, hardware
        self.observing, self.unrounded, self.training_forward = False, False, None
        self.register_buffer(RANGE, self.input_range)  # part of the state_dict from now on

    def train_with(self, quantization: Quantization | None, matrix: Tensor) -> None:
        """Prepare for a way of training, as ``Quantizers`` does, and train the layer's own operation."""
        super().train_with(quantization, matrix)
        self.training_forward = None

    def require_transformable(self, *, training: bool) -> None:
        """Raise ConversionError where a function transform would have to see through what changes state."""
        quantization = self.quantization
        if not training or quantization is None:
            return
        if quantization.observer != "fixed" or quantization.weight_noise or quantization.device_resampling:
            raise ConversionError(
                f"layer {self.name!r} updates ranges or draws noise in training mode, which torch.func and "
                f"forward-mode differentiation cannot transform; call .eval() on the model, or train with "
                f"memrix.Quantization(observer='fixed') without noise or device resampling"
            )


def state_of(layer: nn.Module) -> LayerState | None:
    """What memrix keeps on a layer, or None."""
    # The children of a module of TorchScript are not a dict.
    state = layer._modules.get(STATE) if isinstance(layer._modules, dict) else None
    return state if isinstance(state, LayerState) else None
