"""What there is to say of one layer that was calibrated."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from memrix.errors import ConversionError
from memrix.model.inventory import Candidate
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.registry import Handler
from memrix.nn.state import LayerState
from memrix.quantization.observers import Histogram

BINS = 64  # of the histogram of a layer
HEADINGS = ("layer", "type", "range", "largest", "clipped", "values", "histogram", "samples")

_BARS = " ▁▂▃▄▅▆▇█"
_SHOWN_BARS = 16


@dataclass(frozen=True, eq=False)
class LayerCalibration:
    """What a calibration found of one layer.

    Attributes:
        name: of the layer.
        kind: the torch layer that it is.
        shape: of its matrices: groups, inputs, outputs.
        input_range: the largest magnitude of an input that the DAC does not clip.
        output_range: the same of an output, of a layer that quantizes its outputs.
        seen: histogram of the magnitudes of its inputs.
        clipped: how many of them the range clips.
        sample: input vectors ``[groups, vectors, inputs]`` for hardware that is tuned after programming, or None.
    """

    name: str
    kind: str
    shape: tuple[int, int, int]
    input_range: float
    output_range: float | None
    seen: Histogram
    clipped: int
    sample: Tensor | None = None

    @property
    def clipped_share(self) -> float:
        """Share of the inputs that the range clips."""
        return self.clipped / self.seen.values

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, with the number of samples in place of these."""
        plain = {key: value for key, value in vars(self).items() if key != "sample"}
        samples = 0 if self.sample is None else self.sample.shape[1]
        derived = {"values": self.seen.values, "clipped_share": self.clipped_share, "samples": samples}
        return {**plain, "seen": asdict(self.seen), **derived}

    @property
    def row(self) -> tuple[str, ...]:
        """What a table shows of it: see ``HEADINGS``."""
        return (
            self.name,
            self.kind,
            f"{self.input_range:.4g}",
            f"{self.seen.largest:.4g}",
            f"{self.clipped_share:.3%}",
            f"{self.seen.values:,}",
            _bars(self.seen),
            f"{0 if self.sample is None else self.sample.shape[1]:,}",
        )

    def misfit(self, layer: Candidate | None) -> str | None:
        """Why a layer of another model cannot have the range of this one, or None."""
        if layer is None:
            return "is not in the model"
        if isinstance(layer.module, CrossbarLayer):
            return "runs on a chip already"
        handler = layer.handler
        if not isinstance(handler, Handler):
            return f"cannot be mapped: {handler}"
        if handler.kind != self.kind:
            return f"is {handler.kind} in the model and {self.kind} in the calibration"
        shape = handler.geometry.matrix_shape(layer.module)
        if shape != self.shape:
            ours, theirs = (" x ".join(map(str, sizes)) for sizes in (shape, self.shape))
            return f"is {ours} (groups, inputs, outputs) in the model and {theirs} in the calibration"
        return None

    def apply_(self, layer: Candidate) -> None:
        """Give a layer that fits the range and the samples."""
        handler, module = layer.handler, layer.module
        if not isinstance(handler, Handler):
            raise ConversionError(f"layer {layer.name!r} cannot be mapped: {handler}")
        # What is made in inference mode could not follow a training later.
        with torch.inference_mode(False):
            state = LayerState.of(module, handler.geometry, layer.name)
            state.keep_range(self.input_range)
            if self.output_range is not None:
                state.keep_output_range(self.output_range)
            sample = self.sample
            state.keep_sample(None if sample is None else sample.to(state.input_range.device, copy=True))


def _bars(seen: Histogram) -> str:
    """A histogram in a few characters, from 0 to the largest magnitude."""
    used = seen.counts[: max(1, math.ceil(len(seen.counts) * (seen.largest / seen.top if seen.top else 0)))]
    width = min(_SHOWN_BARS, len(used))
    edges = [round(number * len(used) / width) for number in range(width + 1)]
    heights = [math.log1p(sum(used[start:end])) for start, end in pairwise(edges)]
    highest = max(heights) or 1.0
    return "".join(_BARS[math.ceil(height / highest * (len(_BARS) - 1))] for height in heights)
