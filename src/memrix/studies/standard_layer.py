"""The layer that studies of a chip without a network measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class StandardLayer:
    """A linear layer with normally distributed weights and inputs.

    Attributes:
        inputs: of the layer.
        outputs: of the layer.
        vectors: input vectors that errors are measured on.
        chips: number of chips, each with its own cells and noise.
        seed: of the weights, the inputs and the first chip.
    """

    inputs: int = 128
    outputs: int = 128
    vectors: int = 512
    chips: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        # The command line reads settings before it imports anything heavy: here numpy, below torch.
        from memrix._support.validation import require_integer

        require_integer("inputs", self.inputs, 1, 1 << 14)
        require_integer("outputs", self.outputs, 1, 1 << 14)
        require_integer("vectors", self.vectors, 64, 1 << 20)
        require_integer("chips", self.chips, 1, 1000)
        require_integer("seed", self.seed, 0, 1 << 31)

    def made(self) -> tuple[nn.Sequential, Tensor]:
        """A model of this layer alone, and input vectors ``[vectors, inputs]``."""
        import torch
        from torch import nn

        generator = torch.Generator().manual_seed(self.seed)
        layer = nn.Linear(self.inputs, self.outputs, bias=False)
        with torch.no_grad():
            layer.weight.normal_(0, self.inputs**-0.5, generator=generator)
        return nn.Sequential(layer).eval(), torch.randn(self.vectors, self.inputs, generator=generator)


def output_of(model: nn.Module, vectors: Tensor) -> Tensor:
    """What a model makes of input vectors."""
    import torch

    with torch.no_grad():
        output: Tensor = model(vectors)
    return output


def output_error(output: Tensor, reference: Tensor) -> float:
    """Root mean square of the change of outputs, as a share of that of the reference."""
    return float((output - reference).square().mean().sqrt() / reference.square().mean().sqrt())


def error_cell(error: float | None) -> str:
    """An error in the cell of a table; empty where there is none."""
    return "" if error is None else f"{100 * error:.2f} %"
