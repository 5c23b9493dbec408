"""The state that memrix keeps on a layer, in its attribute ``memrix``."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from memrix._support.transforms import has_values, recording, transformed
from memrix.errors import CalibrationError, ConversionError
from memrix.hardware import Hardware
from memrix.nn.exact import ExactModule
from memrix.nn.geometry import STATE, Geometry
from memrix.nn.programmed import ProgrammedArray
from memrix.nn.recomputation import Call, Calls
from memrix.nn.weight_cache import WeightCache
from memrix.quantization import Quantization, activation_step, updated_range, weight_step

# Buffers: the largest magnitude of an input and of an output, scalars; and the epoch, where weights are noisy.
RANGE, OUTPUT_RANGE, EPOCH = "input_range", "output_range", "epoch"
SAMPLE = "input_sample"  # buffer of a layer that calibrate has run: input vectors [groups, vectors, inputs]
# Parameters, where steps are learned.
LEARNED_RANGE, LEARNED_WEIGHT_STEP = "learned_input_range", "learned_weight_step"


class TrainingForward(Protocol):
    """Replaces the operation of a layer in training."""

    def __call__(self, layer: Any, input: Tensor, options: dict[str, Any], call: Call) -> Tensor:
        """The layer's output."""


class LayerState(ExactModule):
    """Geometry, quantizers and programmed array of one layer.

    Attributes:
        geometry: how the layer is a product of vectors and matrices.
        name: of the layer in its model.
        hardware: that the layer is quantized or programmed for; None if it is only calibrated.
        quantization: how the layer is trained.
        observing: whether the activation quantizers are off, because ranges are being found.
        training_forward: replaces the fake-quantized operation in training mode.
        learned_for: the settings of the hardware that learned steps depend on.
        array: the programmed array, of a layer on a chip.
        calls: of the layer in training.
        cache: of its quantized weight in evaluation.
    """

    input_range: Tensor

    def __init__(self, geometry: Geometry, name: str, device: torch.device) -> None:
        super().__init__()
        self.geometry = geometry
        self.name = name
        self.hardware: Hardware | None = None
        self.quantization: Quantization | None = None
        self.observing = False
        self.training_forward: TrainingForward | None = None
        self.learned_for: tuple[object, ...] | None = None
        self.array: ProgrammedArray | None = None
        self.calls = Calls()
        self.cache = WeightCache()
        # Not yet calibrated is NaN rather than None, so that a state_dict can carry a range into a new layer. Of a
        # float layer it stays out of the state_dict, which must load into the model it came from.
        unknown = torch.full((), torch.nan if geometry.observed else 1.0, dtype=torch.float32, device=device)
        self.register_buffer(RANGE, unknown, persistent=False)

    @classmethod
    def of(cls, layer: nn.Module, geometry: Geometry, name: str) -> LayerState:
        """The state of a layer, which has one from now on."""
        state = state_of(layer)
        if state is None:
            weight: Any = layer.weight
            state = cls(geometry, name, weight.device)
            layer.add_module(STATE, state)
        return state

    @property
    def said(self) -> str:
        """Where the layer runs, in a few words, such as ``on 12 tiles of 128 x 128, 3 bits``."""
        if self.hardware is None:
            return f"calibrated, inputs up to {self.input_peak:.3g}" if self.calibrated else "not calibrated"
        bits = f"{self.hardware.weight_bits:g} bits"
        if self.array is None:
            return f"weights of {bits}, inputs of {self.hardware.dac.bits} bits"
        layout = self.array.crossbar.layout
        tiles = "1 tile" if layout.tiles == 1 else f"{layout.tiles:,} tiles"
        return f"on {tiles} of {layout.tile.rows} x {layout.tile.columns}, {bits}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.said})"

    @property
    def chip(self) -> Hardware:
        """The hardware of a layer that is quantized or programmed."""
        if self.hardware is None:
            raise CalibrationError(f"layer {self.name!r} is neither quantized nor programmed; call memrix.quantize")
        return self.hardware

    @property
    def programmed(self) -> ProgrammedArray:
        """The programmed array of a layer on a chip."""
        if self.array is None:
            raise CalibrationError(f"layer {self.name!r} is not programmed; memrix.program gives a chip")
        return self.array

    @property
    def learned_range(self) -> Tensor | None:
        """The range that is a parameter, where steps are learned."""
        return self._parameters.get(LEARNED_RANGE)

    @property
    def calibrated(self) -> bool:
        """Whether the layer has an activation range."""
        learned = self.learned_range
        return bool((self.input_range if learned is None else learned.detach()).isfinite())

    @property
    def input_peak(self) -> float:
        """The largest magnitude of an input that is not clipped."""
        learned = self.learned_range
        return float(self.input_range if learned is None else learned.detach().abs())

    def step_of(self, peak: Tensor) -> Tensor:
        """Input of one DAC code where ``peak`` is the largest magnitude."""
        return activation_step(peak, self.chip.dac.largest_code)

    @property
    def activation_step(self) -> Tensor:
        """Input of one DAC code."""
        learned = self.learned_range
        return self.step_of(self.input_range if learned is None else learned.abs())

    def weight_step(self, matrix: Tensor) -> Tensor:
        """Weight of one integer step of a matrix ``[outputs, inputs]``: ``[1]``, or ``[outputs]``; 0 for zeros."""
        learned = self._parameters.get(LEARNED_WEIGHT_STEP)
        if learned is not None:
            self._start_steps(learned, matrix)
            return learned.abs()
        return self._suitable_step(matrix)

    def _suitable_step(self, matrix: Tensor) -> Tensor:
        hardware = self.chip
        return weight_step(matrix, hardware.weight_bits, hardware.weight_scale, hardware.weight_range)

    def _start_steps(self, learned: Tensor, matrix: Tensor) -> None:
        """Give learned steps that are 0, of rows that were all 0, a start once these rows are no longer."""
        if recording() or transformed():
            return  # neither a graph nor a transform can look at values
        with torch.no_grad():
            if not bool((learned == 0).any()):
                return
            start = self._suitable_step(matrix)
            begins = (learned == 0) & (start > 0)
            # In place only where there is something to start: autograd holds what a forward pass used.
            if bool(begins.any()):
                learned.copy_(torch.where(begins, start, learned))

    def keep_range(self, peak: float) -> None:
        """Take a calibrated range over."""
        with torch.no_grad():
            self.input_range.fill_(peak)
            learned = self.learned_range
            if learned is not None and not bool(learned.isfinite()):
                learned.fill_(peak)  # in place: an optimizer may hold it

    def keep_sample(self, vectors: Tensor | None) -> None:
        """Keep calibration samples ``[groups, vectors, inputs]``, or none any more."""
        self._buffers.pop(SAMPLE, None)
        if vectors is not None:
            self.register_buffer(SAMPLE, vectors, persistent=False)

    @property
    def sample(self) -> Tensor | None:
        """The calibration samples, if there are any."""
        return self._buffers.get(SAMPLE)

    def adopt(self, geometry: Geometry, name: str, hardware: Hardware) -> None:
        """Be the state of a layer that is quantized, or on a chip, for some hardware."""
        self.geometry, self.name, self.hardware = geometry, name, hardware
        self.observing, self.training_forward = False, None
        self._non_persistent_buffers_set.discard(RANGE)

    def train_with(self, quantization: Quantization | None, matrix: Tensor) -> None:
        """Have what a way of training needs, and nothing that an earlier one needed.

        Steps that were learned stay where they are asked for again and the hardware has the same bits and scales.

        Args:
            quantization: the way of training.
            matrix: the weight, float32 ``[outputs, inputs]``.
        """
        self.quantization, self.training_forward = quantization, None
        outputs = quantization is not None and quantization.output_quantizers
        noisy = quantization is not None and quantization.weight_noise > 0
        learned = quantization is not None and quantization.learned_steps
        self._keep_buffer(OUTPUT_RANGE, outputs, torch.full((), torch.nan, dtype=torch.float32, device=matrix.device))
        self._keep_buffer(EPOCH, noisy, torch.zeros((), dtype=torch.int64, device=matrix.device))
        if not learned or self.learned_for != self.chip.steps_key:
            if self.learned_range is not None and self.calibrated:
                # The layer was trained with it: it outlasts the steps of other hardware.
                self.input_range.copy_(self.learned_range.detach().abs())
            for name in (LEARNED_RANGE, LEARNED_WEIGHT_STEP):
                self._parameters.pop(name, None)
            self.learned_for = None
        if learned and self.learned_for is None:
            with torch.no_grad():
                step = self._suitable_step(matrix)
            self.register_parameter(LEARNED_WEIGHT_STEP, nn.Parameter(step))
            if self.geometry.observed:
                self.register_parameter(LEARNED_RANGE, nn.Parameter(self.input_range.detach().clone()))
            self.learned_for = self.chip.steps_key

    def _keep_buffer(self, name: str, wanted: bool, initial: Tensor) -> None:
        if wanted and name not in self._buffers:
            self.register_buffer(name, initial)
        elif not wanted and name in self._buffers:
            delattr(self, name)

    @property
    def noisy(self) -> bool:
        """Whether weights are noisy in this epoch of a training."""
        quantization = self.quantization
        if quantization is None or not quantization.weight_noise:
            return False
        return int(self._buffers[EPOCH]) >= quantization.noise_start_epoch  # type: ignore[arg-type]

    def observe(self, buffer: str, values: Tensor) -> None:
        """Let a range follow the values of a training batch; one that is learned starts from the first."""
        if self.quantization is None:
            return
        known: Tensor = getattr(self, buffer)
        known.copy_(updated_range(known, values, self.quantization, self.chip.dac.largest_code))
        if buffer == RANGE:
            self._start_learned_range()

    def _start_learned_range(self) -> None:
        """Let a learned range without a value, or of nothing but zeros, start from what the observer found.

        Raises:
            CalibrationError: processes train together, each of which would start from a different batch.
        """
        learned = self.learned_range
        # A graph cannot look at values; in place once only, for autograd holds what a forward pass used.
        # Detached, lest autograd keep something of a look that checkpointing does not repeat.
        if learned is None or recording() or 0 < abs(float(learned.detach())) < math.inf:
            return
        if bool(learned.detach() == self.input_range):
            return  # zeros again
        if _processes_train_together():
            raise CalibrationError(
                f"layer {self.name!r} has no activation range, and processes that train together would each learn "
                f"from another one; run memrix.calibrate(model, batches, hardware) first"
            )
        with torch.no_grad():
            learned.copy_(self.input_range)

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

    def require_calibration(self) -> None:
        """Raise CalibrationError unless the layer has an activation range."""
        learned = self.learned_range
        # A graph that is being captured cannot look at values.
        if not has_values(self.input_range if learned is None else learned) or self.calibrated:
            return
        raise CalibrationError(
            f"layer {self.name!r} has no activation range; run memrix.calibrate(model, batches, hardware) on a few "
            f"batches of typical inputs{self._other_ranges}"
        )

    @property
    def _other_ranges(self) -> str:
        """Where a range could come from but for a calibration."""
        if self.quantization is None or self.quantization.observer == "fixed":
            return ", or train with an observer, such as memrix.Quantization(observer='min-max')"
        return ", or train a step first: its observer finds one in training mode"


def _processes_train_together() -> bool:
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def state_of(layer: nn.Module) -> LayerState | None:
    """What memrix keeps on a layer, or None."""
    # The children of a module of TorchScript are not dict.
    state = layer._modules.get(STATE) if isinstance(layer._modules, dict) else None
    return state if isinstance(state, LayerState) else None
