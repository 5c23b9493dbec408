"""Settings of quantization-aware training: observers, learned steps, noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from memrix._support.building import build
from memrix._support.renamed import formerly, with_former_names
from memrix._support.validation import require_choice, require_integer, require_number
from memrix._support.wording import listing
from memrix.errors import SettingsError
from memrix.quantization.least_error import least_error_range

Observer = Literal["fixed", "min-max", "moving-average", "percentile", "mean-square-error"]

_SAMPLE = 1 << 16  # values of a batch that a percentile or a search looks at


@with_former_names
@dataclass(frozen=True)
class Quantization:
    """Settings of quantization-aware training. The bits are those of the hardware.

    Attributes:
        observer: how activation ranges follow the training batches. ``min-max`` (arXiv 2505.24721): the largest
            magnitude so far; ``moving-average`` of the largest magnitudes of batches; ``percentile`` or
            ``mean-square-error``: the same average, of a percentile or of the range with the least squared error;
            ``fixed``: as ``memrix.calibrate`` found them. In evaluation mode ranges do not change.
        percentile: of the magnitudes, for the observer of this name.
        averaging: weight of a new batch in a moving average.
        learned_steps: whether steps of weights and activations are parameters, trained by their own gradient (LSQ,
            Esser et al., arXiv 1902.08153). They start from calibrated ranges, or else from what the observer finds
            in the first training batch; observers have no effect from then on.
        output_quantizers: whether outputs are quantized to the bits of the DAC as well, as in arXiv 2505.24721; on
            a chip this is digital.
        weight_noise: standard deviation of Gaussian noise on the weight of every bit slice in training, as a share of
            its full scale (arXiv 2505.24721: 0.0125 to 0.1).
        noise_start_epoch: first epoch with weight noise, counted from 0; see ``memrix.set_epoch``.
        device_resampling: whether each training step samples a new chip: programmed with the current weights and read
            with noise. The gradients are those of the analog mean.
        seed: separates the noise and the chips of one training from those of another with the same
            ``torch.manual_seed``, whose generator they follow.
    """

    observer: Observer = "min-max"
    percentile: float = 99.99
    averaging: float = 0.01
    learned_steps: bool = False
    output_quantizers: bool = False
    weight_noise: float = 0.0
    noise_start_epoch: int = 0
    device_resampling: bool = field(default=False, metadata=formerly("fresh_chips"))
    seed: int = 0

    def __post_init__(self) -> None:
        require_choice("observer", self.observer, get_args(Observer))
        require_number("percentile", self.percentile, 50.0, 100.0)
        require_number("averaging", self.averaging, 1e-6, 1.0)
        for name in ("learned_steps", "output_quantizers", "device_resampling"):
            require_choice(name, getattr(self, name), (True, False))
        require_number("weight_noise", self.weight_noise, 0.0, 10.0)
        require_integer("noise_start_epoch", self.noise_start_epoch, 0, 1 << 31)
        require_integer("seed", self.seed, 0, (1 << 63) - 1)
        if self.device_resampling and self.weight_noise:
            raise SettingsError(
                f"device_resampling trains with the noise of real cells, and weight_noise={self.weight_noise} is a "
                f"stand-in for it; give one of them"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, which ``from_dict`` takes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Quantization:
        """A description from plain values; what is left out has its default.

        Raises:
            SettingsError: lists every setting that does not exist or whose value is invalid.
        """
        problems: list[str] = []
        built = build(cls, table, "", problems)
        if built is None:
            raise SettingsError(f"this quantization cannot be used:{listing(problems)}")
        return built


@torch.no_grad()
def updated_range(known: Tensor, values: Tensor, quantization: Quantization, largest_code: int) -> Tensor:
    """The range, a scalar, after a batch of values of any shape; ``known`` is NaN before the first."""
    if quantization.observer == "fixed" or not values.numel():
        return known
    found = _range_of(values.detach().float(), quantization, largest_code)
    # One overflow, as mixed precision has them, must not spoil the range permanently.
    found = torch.where(found.isfinite(), found, known)
    if quantization.observer == "min-max":
        return torch.fmax(known, found)
    return torch.where(known.isnan(), found, torch.lerp(known, found, quantization.averaging))


def _range_of(values: Tensor, quantization: Quantization, largest_code: int) -> Tensor:
    if quantization.observer in ("min-max", "moving-average"):
        return values.abs().amax()
    flat = values.flatten()
    # Every so many values: no random number is needed for a fair sample.
    sample = flat[:: -(-flat.numel() // _SAMPLE)].abs()
    if quantization.observer == "percentile":
        return sample.quantile(quantization.percentile / 100)
    return least_error_range(sample, largest_code)
