"""Fused kernels of torch that multiply by a layer's weight without calling the layer."""

from __future__ import annotations

from torch import nn


def disable_fast_paths(model: nn.Module) -> None:
    """Make torch's own encoder layers call their submodules, in place: a fused kernel would pass a crossbar by."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            # The fast path asks for ReLU or GELU by this flag, which nothing else reads.
            module.activation_relu_or_gelu = 0
        elif isinstance(module, nn.TransformerEncoder):
            # Only the fast path supports nested tensors.
            module.use_nested_tensor = module.enable_nested_tensor = False


def enable_fast_paths(model: nn.Module) -> None:
    """Let torch's encoder layers take their fused kernels again, in place, where their activation is one of these's.

    Nested tensors of an ``nn.TransformerEncoder`` stay off: its other way gives the same output.
    """
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            relu = module.activation is nn.functional.relu or isinstance(module.activation, nn.ReLU)
            gelu = module.activation is nn.functional.gelu or isinstance(module.activation, nn.GELU)
            module.activation_relu_or_gelu = 1 if relu else 2 if gelu else 0
