"""The programmed array of a layer: crossbar, scales, and what the cells were written from."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memrix._support.random import Seeds, derive
from memrix._support.stored_seeds import warn_of_new_draws
from memrix.crossbar import Crossbar, ExposedCells, Pairs
from memrix.crossbar.fingerprint import is_written, written_as
from memrix.crossbar.mapping import Layout
from memrix.device import DeviceParameters
from memrix.errors import CheckpointError
from memrix.hardware import Hardware
from memrix.nn.exact import ExactModule
from memrix.nn.keys import COLUMN_GAIN, COLUMN_OFFSET, WEIGHT_STEP
from memrix.nn.layer_record import LayerRecord, differing_settings


class ProgrammedArray(ExactModule):
    """Cells that hold the weight of a layer, and the digital factors behind their converters.

    Args:
        name: of the layer.
        hardware: the cells are of.
        seeds: of the chip, its programming and its reading.
        weight_step: of one integer, ``[1]`` or ``[groups * outputs]``; where cells hold integers times a scale, as
            behind wires that they were programmed for, over that scale.

    Attributes:
        crossbar: the cells.
        written: what the weight is told by that the cells were written from, int64; None where nobody asked yet.
        column_gain: ``[groups, 1, outputs]``, where columns are calibrated.
        column_offset: of the same shape, likewise.
    """

    crossbar: Crossbar
    weight_step: Tensor
    written: Tensor | None
    column_gain: Tensor
    column_offset: Tensor

    def __init__(self, name: str, hardware: Hardware, seeds: Seeds, weight_step: Tensor) -> None:
        super().__init__()
        self.name = name
        self.hardware = hardware
        self.seeds = seeds
        self.register_buffer("written", None, persistent=False)
        self.register_buffer(WEIGHT_STEP, weight_step)

    @property
    def columns_calibrated(self) -> bool:
        """Whether every column has a gain and an offset."""
        return COLUMN_GAIN in self._buffers

    def calibrate_columns(self, gain: Tensor | None, offset: Tensor | None) -> None:
        """Take gains and offsets over, or have none any more."""
        for name, value in ((COLUMN_GAIN, gain), (COLUMN_OFFSET, offset)):
            self._buffers.pop(name, None)
            if value is not None:
                self.register_buffer(name, value)

    def install(self, pairs: Pairs, layout: Layout, parameters: DeviceParameters | None = None) -> None:
        """Take over programmed cells; ``parameters``: of the device, by default those that the hardware names."""
        self.crossbar = Crossbar(
            pairs,
            layout=layout,
            circuit=self.hardware.circuit,
            parameters=parameters or self.hardware.parameters,
            read_seed=self.seeds.read,
            name=self.name,
            chip_seed=self.seeds.chip,
        )

    def expose(self, exposed: ExposedCells, stored: Mapping[str, Tensor] | None = None) -> None:
        """Let readings switch cells from now on; ``stored``: what word lines that were saved had seen and done."""
        self.crossbar.expose(exposed, self._disturb_seed)
        if stored is not None and self.crossbar.word_lines is not None:
            self.crossbar.word_lines.resume_(stored)

    @property
    def _disturb_seed(self) -> int:
        return derive(self.seeds.programming, "disturb", self.name)

    def restart_noise(self, seed: int) -> None:
        """Repeat the readings that follow from ``seed``."""
        self.crossbar.restart(derive(seed, "read", self.name))

    def is_outdated(self, weight: Tensor) -> bool:
        """Whether a weight is another than the cells were written from; one that only moved or was cast is not."""
        if self.written is None:
            self.take(weight)
        if self.written is None:
            return False
        return not bool(is_written(weight, self.written))

    def take(self, weight: Tensor) -> None:
        """Take a weight for the one that the cells were written from."""
        with torch.inference_mode(False), torch.no_grad():
            self.written = None if weight.is_meta else written_as(weight)

    @property
    def record(self) -> LayerRecord:
        """The record of the array: everything except its tensors."""
        crossbar = self.crossbar
        return LayerRecord(
            self.hardware,
            crossbar.circuit.adc,
            crossbar.nominal_states,
            crossbar.report,
            self.seeds,
            crossbar.read_seed,
            crossbar.programmed_reach,
            crossbar.wire_share,
            crossbar.wire_scales,
        )

    def restore(self, record: LayerRecord) -> None:
        """Take over what another programming of the same layer on the same hardware was, but for its tensors."""
        self.seeds = record.seeds
        self.crossbar.nominal_states, self.crossbar.report = record.nominal_states, record.report
        self.crossbar.programmed_reach = record.reach
        self.crossbar.wire_share, self.crossbar.wire_scales = record.wire_share, record.wire_scales
        if self.crossbar.word_lines is not None:
            self.crossbar.word_lines.seed = self._disturb_seed
        self.crossbar.chip_seed = self.seeds.chip
        self.crossbar.set_converter(record.adc)
        self.crossbar.restart(record.read_seed)

    def expect_line_states(self, state_dict: Mapping[str, Tensor], prefix: str) -> None:
        """Have the sums of word lines that a ``state_dict`` brings with its cells: an earlier memrix wrote none."""
        given, own = state_dict.get(f"{prefix}crossbar.line_states"), self.crossbar.line_states
        if given is None and f"{prefix}crossbar.difference" in state_dict:
            self.crossbar.line_states = None
        elif given is not None and own is None:
            self.crossbar.line_states = torch.zeros_like(given, device=self.crossbar.difference.device)

    def get_extra_state(self) -> Tensor:
        """The record, uint8 ``[bytes]``: part of the ``state_dict``."""
        return self.record.to_tensor()

    def set_extra_state(self, state: Tensor) -> None:
        """Take over a record."""
        record, streams = LayerRecord.from_tensor(state)
        self.restore(record)
        # Of the same words for all layers, so that Python's filter shows it once.
        warn_of_new_draws(
            "this state_dict",
            streams,
            noisy=self.hardware.noise != "off",
            switching=self.crossbar.word_lines is not None,
            converters=not self.hardware.adc.ideal,
        )

    def require_same_hardware(self, state: Tensor) -> None:
        """Raise CheckpointError where an extra state is of an array of other hardware."""
        record, _ = LayerRecord.from_tensor(state)
        differing = differing_settings(record.hardware, self.hardware)
        if differing:
            raise CheckpointError(
                f"the state_dict is of a chip of other hardware; at layer {self.name!r} it has "
                f"{'; '.join(differing)}; program this chip with the same hardware, or use memrix.load"
            )
