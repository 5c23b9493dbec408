"""What is counted while batches run through a chip: inputs of layers on crossbars, and products of digital ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from memrix._support.torch_internals import tree_leaves
from memrix.costing import DigitalCounts, LayerCounts
from memrix.crossbar.line_power import CodeCounts, delivered
from memrix.crossbar.mapping import Layout
from memrix.errors import ConversionError
from memrix.model.inventory import Candidate
from memrix.model.matrix_products import MatrixProducts
from memrix.model.summaries import kind_of
from memrix.nn.cached_read import of_torch_layer
from memrix.nn.crossbar_layer import CrossbarLayer

OTHER = "other matrix products"


class LayerCounter:
    """A layer on crossbars, and what its readings took.

    Args:
        name: of the layer.
        layer: that is read.
    """

    def __init__(self, name: str, layer: CrossbarLayer) -> None:
        self.name, self.layer = name, layer
        self._crossbar = layer.memrix.programmed.crossbar
        self._before = self._crossbar.counts.conversions
        self._looked_up = not layer.memrix.geometry.observed
        self._codes = CodeCounts(self._crossbar, looked_up=self._looked_up)
        with torch.no_grad():
            self._codes_per_unit = layer.memrix.activation_step.reciprocal()

    def take(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: object) -> None:
        """Count a call, as a hook."""
        state = self.layer.memrix
        input, _ = state.geometry.bind(inputs, of_torch_layer(named))
        with torch.autocast(input.device.type, enabled=False):
            if not self._looked_up:
                windows, axes = state.geometry.windows(self.layer, input.detach().float())
                self._codes.add_(windows, axes, self._codes_per_unit)
            else:
                self._codes.add_rows_(input.reshape(-1).long())

    def counts(self) -> LayerCounts:
        """What was counted.

        Raises:
            ConversionError: the states of the cells are not known.
        """
        crossbar, codes = self._crossbar, self._codes
        layout, circuit = crossbar.layout, crossbar.circuit
        taken = delivered(crossbar, codes)
        if taken is None:
            raise ConversionError(
                f"layer {self.name!r} does not say what its word lines draw: an earlier memrix has saved this chip "
                f"without noise or with wires; program it again with memrix.program"
            )
        looked_up = self._looked_up
        # A row that is looked up is driven once, at the voltage of the largest code, in the only tile that has it.
        readings = 1 if looked_up else min(layout.parts, layout.row_tiles) * len(circuit.dac.cycle_weights)
        column_tiles = -(-layout.outputs // layout.tile.columns)
        word_lines = layout.groups * layout.inputs * layout.planes * column_tiles
        driven = word_lines // layout.inputs if looked_up else word_lines * len(circuit.dac.cycle_weights)
        by_vector = layout.groups * layout.outputs
        return LayerCounts(
            name=self.name,
            kind=kind_of(self.layer),
            vectors=codes.vectors,
            # A row that is looked up stands for no product.
            products=0 if looked_up else codes.vectors * by_vector * layout.inputs,
            results=codes.vectors * by_vector,
            conversions=crossbar.counts.conversions - self._before,
            inputs_converted=codes.vectors * driven,
            power=taken.power,
            current=taken.current,
            volts=circuit.dac.vmax,
            phases=readings,
            adc_levels=round(2 * circuit.adc.largest_code) + 1,
            dac_bits=1 if circuit.dac.bit_serial else circuit.dac.bits,
            weights=layout.groups * layout.inputs * layout.outputs,
            cells=layout.cells,
            places=round(layout.cells / layout.utilization),
            converters=_converters(layout, circuit.adc.columns_per_converter),
            turns=min(circuit.adc.columns_per_converter, layout.tile.columns, layout.outputs),
            word_lines=word_lines,
        )


def _converters(layout: Layout, shared: int) -> int:
    """ADCs of a layer: neighboring columns of a tile share one, those of two tiles never."""
    full, rest = divmod(layout.outputs, layout.tile.columns)
    of_plane = full * -(-layout.tile.columns // shared) + -(-rest // shared)
    return layout.groups * -(-layout.row_tiles // layout.parts) * layout.planes * of_plane


class InputCounter:
    """Counts the inputs of a model: entries of the first axis of the first tensor of each call that has one."""

    def __init__(self) -> None:
        self.calls = self.inputs = 0

    def take(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Count a call, as a hook."""
        self.calls += 1
        given = (value for value in tree_leaves((inputs, named)) if isinstance(value, Tensor) and value.dim())
        first = next(given, None)
        self.inputs += 1 if first is None else len(first)


@contextmanager
def hooked(chip: nn.Module, layers: Sequence[LayerCounter], inputs: InputCounter) -> Iterator[None]:
    """Count calls of a chip and of its layers while a block runs."""
    hooks = [each.layer.register_forward_hook(each.take, with_kwargs=True, prepend=True) for each in layers]
    hooks.append(chip.register_forward_pre_hook(inputs.take, with_kwargs=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class DigitalProducts:
    """Products of the matrices of layers that stay digital, and of whatever else multiplies matrices.

    Args:
        candidates: layers of a chip; those on crossbars are passed over.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._layers = {layer.module: layer for layer in candidates if not isinstance(layer.module, CrossbarLayer)}
        self._found: dict[nn.Module, int] = dict.fromkeys(self._layers, 0)
        self._mode = MatrixProducts()
        self._started: list[int] = []  # products before the calls that are going on, those of inner layers added

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Tell the layers apart while a block runs."""
        hooks = [layer.register_forward_pre_hook(self._enter) for layer in self._layers]
        hooks += [layer.register_forward_hook(self._leave) for layer in self._layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what a block computes."""
        with self._mode:
            yield

    def _enter(self, module: nn.Module, inputs: Any) -> None:  # noqa: ANN401
        self._started.append(self._mode.count)

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401
        own = self._mode.count - self._started.pop()
        self._found[module] += own
        self._started = [before + own for before in self._started]

    def counts(self) -> tuple[DigitalCounts, ...]:
        """Those that multiplied anything."""
        found = [
            DigitalCounts(layer.name, type(module).__name__, self._found[module])
            for module, layer in self._layers.items()
            if self._found[module]
        ]
        others = self._mode.count - sum(self._found.values())
        return (*found, DigitalCounts(OTHER, "", others)) if others else tuple(found)
