"""The quantizers of a layer: ranges and steps of its inputs, weight and outputs, and how they are found."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memrix._support.transforms import has_values, recording, transformed
from memrix.errors import CalibrationError
from memrix.hardware import Hardware
from memrix.nn.exact import ExactModule
from memrix.nn.geometry import Geometry
from memrix.nn.keys import EPOCH, LEARNED_RANGE, LEARNED_WEIGHT_STEP, OUTPUT_RANGE, RANGE, SAMPLE
from memrix.nn.recomputation import Call, as_noted, noted
from memrix.quantization import Quantization, activation_step, updated_range, weight_step


class Quantizers(ExactModule):
    """Ranges and steps of one layer.

    Attributes:
        geometry: of the layer; inputs that are indices have no range.
        name: of the layer in its model.
        hardware: that the layer is quantized or programmed for; None if it is only calibrated.
        quantization: how the layer is trained.
        learned_for: the settings of the hardware that learned steps depend on.
        input_range: largest magnitude of an input that is not clipped; NaN before calibration.
        output_range: likewise of an output; None unless outputs are quantized.
        epoch: of the training; None unless weights are noisy.
        input_sample: calibration samples ``[groups, vectors, inputs]``, or None.
        learned_input_range: replaces ``input_range`` if steps are learned; its sign has no meaning.
        learned_weight_step: ``[1]`` or ``[outputs]``, likewise.
    """

    input_range: Tensor
    output_range: Tensor | None
    epoch: Tensor | None
    input_sample: Tensor | None
    learned_input_range: nn.Parameter | None
    learned_weight_step: nn.Parameter | None

    def __init__(self, geometry: Geometry, name: str, device: torch.device) -> None:
        super().__init__()
        self.geometry = geometry
        self.name = name
        self.hardware: Hardware | None = None
        self.quantization: Quantization | None = None
        self.learned_for: tuple[object, ...] | None = None
        # Not yet calibrated is NaN rather than None, so that a state_dict can carry a range into a new layer. Of a
        # float layer it stays out of the state_dict, which must load into the model it came from.
        unknown = torch.full((), torch.nan if geometry.observed else 1.0, dtype=torch.float32, device=device)
        self.register_buffer(RANGE, unknown, persistent=False)
        # None until the layer needs them.
        for name in (OUTPUT_RANGE, EPOCH):
            self.register_buffer(name, None)
        self.register_buffer(SAMPLE, None, persistent=False)
        for name in (LEARNED_WEIGHT_STEP, LEARNED_RANGE):
            self.register_parameter(name, None)

    @property
    def chip(self) -> Hardware:
        """The hardware of a layer that is quantized or programmed."""
        if self.hardware is None:
            raise CalibrationError(f"layer {self.name!r} is neither quantized nor programmed; call memrix.quantize")
        return self.hardware

    @property
    def calibrated(self) -> bool:
        """Whether the layer has an activation range."""
        learned = self.learned_input_range
        return bool((self.input_range if learned is None else learned.detach()).isfinite())

    @property
    def input_peak(self) -> float:
        """The largest magnitude of an input that is not clipped."""
        learned = self.learned_input_range
        return float(self.input_range if learned is None else learned.detach().abs())

    @property
    def learned(self) -> tuple[nn.Parameter | None, nn.Parameter | None]:
        """The parameters of a layer whose steps are learned."""
        return self.learned_input_range, self.learned_weight_step

    def step_of(self, peak: Tensor) -> Tensor:
        """Input of one DAC code where ``peak`` is the largest magnitude."""
        return activation_step(peak, self.chip.dac.largest_code)

    @property
    def activation_step(self) -> Tensor:
        """Input of one DAC code."""
        learned = self.learned_input_range
        return self.step_of(self.input_range if learned is None else learned.abs())

    def weight_step(self, matrix: Tensor) -> Tensor:
        """Weight of one integer step of a matrix ``[outputs, inputs]``: ``[1]``, or ``[outputs]``; 0 for zeros."""
        learned = self.learned_weight_step
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
            learned = self.learned_input_range
            if learned is not None and not bool(learned.isfinite()):
                learned.fill_(peak)  # in place: an optimizer may hold it

    def keep_output_range(self, peak: float) -> None:
        """Use a calibrated range of the outputs, if outputs are quantized."""
        if self.output_range is not None:
            self.output_range.fill_(peak)

    def keep_sample(self, vectors: Tensor | None) -> None:
        """Keep calibration samples ``[groups, vectors, inputs]``, or none any more."""
        self.input_sample = vectors

    def train_with(self, quantization: Quantization | None, matrix: Tensor) -> None:
        """Have what a way of training needs, and nothing that an earlier one needed.

        Steps that were learned stay where they are asked for again and the hardware has the same bits and scales.

        Args:
            quantization: the way of training.
            matrix: the weight, float32 ``[outputs, inputs]``.
        """
        self.quantization = quantization
        outputs = quantization is not None and quantization.output_quantizers
        noisy = quantization is not None and quantization.weight_noise > 0
        learned = quantization is not None and quantization.learned_steps
        if outputs != (self.output_range is not None):
            self.output_range = torch.full_like(self.input_range, torch.nan) if outputs else None
        if noisy != (self.epoch is not None):
            self.epoch = torch.zeros_like(self.input_range, dtype=torch.int64) if noisy else None
        if not learned or self.learned_for != self.chip.steps_key:
            if self.learned_input_range is not None and self.calibrated:
                # The layer was trained with it: it outlasts the steps of other hardware.
                self.input_range.copy_(self.learned_input_range.detach().abs())
            self.learned_input_range = self.learned_weight_step = self.learned_for = None
        if learned and self.learned_for is None:
            with torch.no_grad():
                self.learned_weight_step = nn.Parameter(self._suitable_step(matrix))
            if self.geometry.observed:
                self.learned_input_range = nn.Parameter(self.input_range.detach().clone())
            self.learned_for = self.chip.steps_key

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the training, counted from 0. Has no effect if weights are not noisy."""
        if self.epoch is not None:
            self.epoch.fill_(epoch)

    @property
    def noisy(self) -> bool:
        """Whether weights are noisy in this epoch of a training."""
        quantization = self.quantization
        if quantization is None or not quantization.weight_noise or self.epoch is None:
            return False
        return int(self.epoch) >= quantization.noise_start_epoch

    def range_of_inputs(self, input: Tensor, call: Call) -> Tensor:
        """The input range of a call in training, updated with the inputs of that call.

        A learned range starts from the first call.
        """
        if self._has_learned_range:
            return self.input_range
        used = call.used
        if not call.again:
            if self.quantization is not None:
                self._follow(self.input_range, input, self.quantization)
                self._start_learned_range()
            used.input_range = noted(self.input_range)
        return as_noted(used.input_range, self.input_range)

    def range_of_outputs(self, output: Tensor, call: Call | None) -> Tensor | None:
        """The output range, or None if outputs are not quantized; in training updated with the output of a call."""
        if call is None or self.output_range is None:
            return self.output_range
        used = call.used
        if not call.again:
            if self.quantization is not None:
                self._follow(self.output_range, output, self.quantization)
            used.output_range = noted(self.output_range)
        return as_noted(used.output_range, self.output_range)

    def _follow(self, known: Tensor, values: Tensor, quantization: Quantization) -> None:
        known.copy_(updated_range(known, values, quantization, self.chip.dac.largest_code))

    @property
    def _has_learned_range(self) -> bool:
        """Whether the range is a parameter with a value; a graph cannot look at it."""
        learned = self.learned_input_range
        # Detached, lest autograd keep something of a look that checkpointing does not repeat.
        return learned is not None and not recording() and 0 < abs(float(learned.detach())) < math.inf

    def _start_learned_range(self) -> None:
        """Let a learned range without a value, or of nothing but zeros, start from what the observer found.

        Raises:
            CalibrationError: processes train together, each of which would start from a different batch.
        """
        learned = self.learned_input_range
        # A graph cannot look at values.
        if learned is None or recording():
            return
        if bool(learned.detach() == self.input_range):
            return  # zeros again
        if _processes_train_together():
            raise CalibrationError(
                f"layer {self.name!r} has no activation range, and processes that train together would each learn "
                f"from another one; run memrix.calibrate(model, batches, hardware) first"
            )
        # In place once only: autograd holds what a forward pass used.
        with torch.no_grad():
            learned.copy_(self.input_range)

    def require_calibration(self) -> None:
        """Raise CalibrationError unless the layer has an activation range."""
        learned = self.learned_input_range
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
