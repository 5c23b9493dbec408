"""``nn.Linear`` with fake quantisers, and on crossbars."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memrix.errors import ConversionError
from memrix.nn.base import CrossbarLayer, QuantizedLayer


class QuantizedLinear(QuantizedLayer, nn.Linear):
    """``nn.Linear`` on weights and inputs that are fake-quantised to what a chip can hold."""

    def matrices(self, weight: Tensor) -> Tensor:
        """``[1, in_features, out_features]``."""
        return weight.t().unsqueeze(0)

    def vectors(self, codes: Tensor) -> Tensor:
        """``[1, first axis, other axes, in_features]``."""
        if not codes.dim() or codes.shape[-1] != self.in_features:
            raise ConversionError(
                f"layer {self.name!r} takes [..., {self.in_features}], got {list(codes.shape)}; "
                f"give inputs of the shape that the layer was made for"
            )
        batch = codes.shape[0] if codes.dim() > 1 else 1
        rows = codes.shape[:-1].numel()
        return codes.reshape(1, batch, rows // batch if batch else 0, self.in_features)

    def assemble(self, results: Tensor, shape: torch.Size) -> Tensor:
        """``[..., out_features]``."""
        return results.reshape(*shape[:-1], self.out_features)

    def digital(self, activations: Tensor, weight: Tensor) -> Tensor:
        """``activations @ weight.T + bias``."""
        return nn.functional.linear(activations, weight, self.bias)

    def along_outputs(self, values: Tensor) -> Tensor:
        """As they are: outputs are the last axis."""
        return values


class MemristorLinear(CrossbarLayer, QuantizedLinear):
    """``nn.Linear`` on a programmed crossbar: input ``[..., in_features]``, output ``[..., out_features]``."""
