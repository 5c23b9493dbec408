"""A layer on programmed crossbars."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from memrix.crossbar import ADC, Crossbar, Pairs, Reader, best_converter, column_corrections, drift_, program_pairs
from memrix.crossbar.columns import FEWEST_VECTORS
from memrix.crossbar.mapping import Layout
from memrix.device import DeviceParameters
from memrix.errors import CalibrationError, CheckpointError, NumericsError
from memrix.nn.inputs import require_dense
from memrix.nn.layer_record import LayerRecord, differing_settings
from memrix.nn.quantized import SAMPLE, QuantizedLayer
from memrix.nn.series import Series
from memrix.quantization import weight_integers
from memrix.random import Seeds, derive

COLUMN_GAIN, COLUMN_OFFSET = "column_gain", "column_offset"  # buffers of layers whose columns are calibrated


class CrossbarLayer(QuantizedLayer):
    """A layer that runs on a programmed crossbar.

    Its gradient is the exact one of the noiseless analog mean with respect to inputs, straight through the
    converters; with respect to the weight it is that of the digital twin, on inputs as the currents stand for them.
    The layer keeps its digital ``weight``; the cells were programmed once from it and do not follow it.
    """

    crossbar: Crossbar
    seeds: Seeds
    weight_step: Tensor
    column_gain: Tensor  # [groups, 1, outputs], where columns are calibrated
    column_offset: Tensor
    scales = (*QuantizedLayer.scales, "weight_step", COLUMN_GAIN, COLUMN_OFFSET)
    prefix = "Memristor"

    def program(
        self,
        seeds: Seeds,
        progress: Callable[[int], None] | None = None,
        tune: Callable[[Tensor], None] | None = None,
    ) -> None:
        """Quantise the weight and write it to the cells of a chip; tune the chip, and let time pass.

        Args:
            seeds: of the three random streams.
            progress: called with a number of cells whenever so many more are programmed.
            tune: called with the integers ``[groups, inputs, outputs]`` once the cells hold them, in place of the
                tuning that the hardware asks for.

        Raises:
            CalibrationError: the layer has no activation range.
            NumericsError: the weight is not finite.
        """
        self.require_calibration()
        if not bool(torch.isfinite(self.weight).all()):
            raise NumericsError(
                f"the weight of layer {self.name!r} holds NaN or infinite values; "
                f"a chip can hold finite weights only: load or train the model again"
            )
        hardware = self.hardware
        with torch.no_grad(), torch.autocast(self.weight.device.type, enabled=False):
            step, integers = self.integers()
            self.register_buffer("weight_step", step)
            layout = hardware.layout(*integers.shape)
            pairs = program_pairs(
                integers, layout, hardware.technology, seeds=seeds, name=self.name, progress=progress
            )
            self.seeds = seeds
            self.install(pairs, layout, seeds.read)
            (tune or self._tune)(integers)
            drift_(pairs, layout, hardware.technology, seeds=seeds, name=self.name)

    def _tune(self, integers: Tensor) -> None:
        """Fit converter and columns to the programmed cells, where the hardware has that."""
        sample: Tensor | None = getattr(self, SAMPLE, None)
        if sample is not None:
            delattr(self, SAMPLE)
        if not (self.observed and self.hardware.needs_test_vectors):
            return
        if sample is None:
            raise CalibrationError(
                f"layer {self.name!r} has no test vectors, which this hardware is tuned with after programming; run "
                f"memrix.calibrate(model, batches, hardware) with the same hardware"
            )
        codes = self.hardware.dac.codes(sample.float(), self.activation_step)
        if self.hardware.adc.per_layer:
            self.crossbar.set_converter(best_converter(self.crossbar, codes))
        if self.hardware.column_calibration:
            if codes.shape[1] < FEWEST_VECTORS:
                raise CalibrationError(
                    f"layer {self.name!r} has {codes.shape[1]} test vectors, too few to tell the gain of its columns "
                    f"from their scatter; give memrix.calibrate batches that run it on at least {FEWEST_VECTORS}"
                )
            gain, offset = column_corrections(self.crossbar, codes, integers)
            self.register_buffer(COLUMN_GAIN, gain)
            self.register_buffer(COLUMN_OFFSET, offset)

    def install(
        self, pairs: Pairs, layout: Layout, read_seed: int, parameters: DeviceParameters | None = None
    ) -> None:
        """Take over programmed cells; ``parameters``: of the device, by default those that the hardware names."""
        self.crossbar = Crossbar(
            pairs,
            layout=layout,
            circuit=self.hardware.circuit,
            parameters=parameters or self.hardware.parameters,
            read_seed=read_seed,
            name=self.name,
        )

    def restart_noise(self, seed: int) -> None:
        """Repeat the readings that follow from ``seed``."""
        self.crossbar.read_stream.restart(derive(seed, "read", self.name))

    @property
    def record(self) -> LayerRecord:
        """What the layer is beside its tensors."""
        crossbar = self.crossbar
        return LayerRecord(
            self.hardware,
            crossbar.circuit.adc,
            crossbar.nominal_states,
            crossbar.report,
            self.seeds,
            crossbar.read_stream.seed,
        )

    def restore(self, record: LayerRecord) -> None:
        """Take over what another programming of the same layer on the same hardware was, but for its tensors."""
        self.seeds = record.seeds
        self.crossbar.nominal_states, self.crossbar.report = record.nominal_states, record.report
        self.crossbar.set_converter(record.adc)
        self.crossbar.read_stream.restart(record.read_seed)

    def get_extra_state(self) -> Tensor:
        """The record, uint8 ``[bytes]``: part of the ``state_dict``."""
        return self.record.to_tensor()

    def set_extra_state(self, state: Tensor) -> None:
        """Take over a record."""
        self.restore(LayerRecord.from_tensor(state))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *others: Any) -> None:  # noqa: ANN401
        state = state_dict.get(f"{prefix}_extra_state")
        # Before any tensor of the layer is touched.
        if state is not None and (
            differing := differing_settings(LayerRecord.from_tensor(state).hardware, self.hardware)
        ):
            raise CheckpointError(
                f"the state_dict is of a chip of other hardware; at layer {self.name!r} it has "
                f"{'; '.join(differing)}; program this chip with the same hardware, or use memrix.load"
            )
        super()._load_from_state_dict(state_dict, prefix, *others)

    def suitable_converter(self, vectors: Tensor) -> ADC | None:
        """The ADC of the hardware's bits that changes the results of input vectors ``[groups, n, inputs]`` least.

        None if there is nothing but zeros to go by, as in the first state of a recurrent layer.
        """
        codes = self.hardware.dac.codes(vectors.float(), self.activation_step)
        return best_converter(self.crossbar, codes) if bool(codes.any()) else None

    @property
    def matrix_inputs(self) -> int:
        """Inputs of each matrix on the chip."""
        return self.crossbar.layout.inputs

    def integers(self) -> tuple[Tensor, Tensor]:
        """The weight of one integer step, ``[1]`` or ``[groups * outputs]``, and ``[groups, inputs, outputs]``."""
        rows = self.rows(self.weight.detach().float())
        step = self.row_step(rows).detach()
        integers = weight_integers(rows, step, self.hardware.weight_bits)
        return step, integers.reshape(self.matrix_groups, -1, rows.shape[1]).transpose(1, 2)

    def forward(
        self,
        input: Tensor | None = None,
        *,
        series: Series | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Tensor:
        """The layer's operation on the chip; same shape and type as the torch layer gives.

        Args:
            input: as the torch layer takes it, and by the name that it has there.
            series: of this layer, where it is called time after time before it changes; whoever gives one knows that
                the input is finite.
            options: of this call alone, which ``digital`` and ``assemble`` of such a layer know.

        Raises:
            NumericsError: an input is not finite, or not of a floating-point type.
            ConversionError: an input is no dense tensor, or not of the shape that the layer takes.
        """
        input = self.named_input(input, options)
        require_dense(self.name, input)
        output = self._on_chip(input, series, options)
        if torch.is_grad_enabled():
            own = (input, self.weight, self.bias, *self._parameters.values())
            if any(t is not None and t.requires_grad for t in own):
                output = _value_of.apply(self.differentiable(input, **options), output)  # type: ignore[no-untyped-call]
        return self.finish(output)

    def series(self, calls: int = 1) -> Series:
        """What a number of calls in a row share, as the layer is now; to be called without gradients."""
        dac, step = self.hardware.dac, self.activation_step
        scale = self._by_column(self.weight_step * (step * dac.largest_code))
        offset = None
        if COLUMN_GAIN in self._buffers:
            scale, offset = self.column_gain * scale, (self.column_offset * scale).unsqueeze(1)
        bias = self.bias
        if bias is not None and self.outputs_last:
            offset, bias = bias.float() if offset is None else offset + bias, None
        elif bias is not None:
            bias = self.along_outputs(bias)
        scale = (scale * self.crossbar.result_weight).unsqueeze(1)
        return Series(dac, step.reciprocal(), scale, offset, bias, Reader(self.crossbar, calls))

    def differentiable(self, input: Tensor, **options: Any) -> Tensor:  # noqa: ANN401
        """The layer's operation with the gradients of the chip.

        With respect to the input they go through the weights that the cells hold and the current that a voltage
        makes: they are those of the mean reading, straight through the converters. With respect to the weight they
        go through the mapping that was meant.
        """
        with torch.no_grad():
            held = self.crossbar.matrices() * self._by_column(self.weight_step)
            if COLUMN_GAIN in self._buffers:
                held *= self.column_gain
            weight = self.from_matrices(held).to(self.weight.dtype)
        meant = self.quantized_weight()
        return self.digital(self.analog_input(input), weight + (meant - meant.detach()), self.bias, **options)

    def analog_input(self, input: Tensor) -> Tensor:
        """The share of the full current that inputs drive, in units of the input, with the slope of the current."""
        quantized = self.quantized_input(input)
        if self.hardware.dac.levels == "linearising":
            return quantized
        step, largest = self.activation_step, self.hardware.dac.largest_code
        transfer = self.crossbar.transfer() * largest
        index = self.hardware.dac.codes(input.detach().float(), step).long().add_(largest)
        slope = torch.gradient(transfer)[0][index].to(input.dtype)
        tangent = quantized * slope
        return tangent + ((transfer[index] * step).to(input.dtype) - tangent.detach())

    def observe_(self, buffer: str, values: Tensor) -> None:
        """Nothing: the ranges of a chip are those it was programmed with."""

    def _on_chip(self, activations: Tensor, series: Series | None, options: Mapping[str, Any]) -> Tensor:
        device = activations.device.type
        # Modes are entered only where they are not those of the caller: a small layer would feel it.
        if torch.is_grad_enabled() or torch.is_autocast_enabled(device):
            with torch.no_grad(), torch.autocast(device, enabled=False):
                return self._on_chip(activations, series, options)
        if series is None:
            self.require_input(activations)
            series = self.series()
        return self._read(activations, series, options)

    def _read(self, activations: Tensor, series: Series, options: Mapping[str, Any]) -> Tensor:
        codes = series.dac.codes_(activations.float() * series.codes_per_unit)
        # Windows of a convolution overlap: their copies are half as large as those of floats. Others are not copied.
        vectors = self.vectors(codes if self.outputs_last else codes.short())
        groups, batch, count, inputs = vectors.shape
        if self.hardware.noise != "legacy":
            vectors = vectors.reshape(groups, 1, batch * count, inputs)
        results = series.reader(vectors)
        results = results.view(groups, batch, count, results.shape[-1])
        if series.offset is None:
            results *= series.scale
        else:
            torch.addcmul(series.offset, results, series.scale, out=results)
        output = self.assemble(results, activations.shape, **options)
        if series.bias is not None:
            output += series.bias
        return output.to(activations.dtype)

    def _by_column(self, values: Tensor) -> Tensor:
        """``[1, 1, 1]`` or ``[groups, 1, outputs]`` of one value, or one an output."""
        return values.view(1, 1, 1) if values.numel() == 1 else values.view(self.matrix_groups, 1, -1)

    def require_input(self, activations: Tensor) -> None:
        """Raise NumericsError unless an input is of finite floating-point numbers."""
        if not activations.is_floating_point():
            raise NumericsError(
                f"the input of layer {self.name!r} is of type {activations.dtype}, expected floating-point numbers; "
                f"call .float() on it"
            )
        if torch.compiler.is_exporting():
            return  # a graph cannot look at values
        activations = activations.detach()  # torch warns of a number that is taken from what has a gradient
        # A sum is one cheap pass; only a sum that is not finite is worth a second look.
        if math.isfinite(float(activations.sum())) or bool(torch.isfinite(activations).all()):
            return
        raise NumericsError(
            f"the input of layer {self.name!r} holds NaN or infinite values, which a DAC cannot convert; "
            f"look at the layers before it, or at the data"
        )


def repeated(part: nn.Module, calls: int, sources: Iterable[Tensor]) -> Callable[[Tensor], Tensor]:
    """A layer as a function that is to be called a number of times before the layer changes.

    Args:
        part: any layer.
        calls: how many.
        sources: inputs are finite if these are, and the layer's outputs.

    Raises:
        NumericsError: the layer is on a chip, and its inputs will not be finite.
    """
    if not isinstance(part, CrossbarLayer):
        return part
    for source in sources:
        part.require_input(source)
    if part.bias is not None:
        part.require_input(part.bias)  # results of a crossbar are finite: its inputs are clipped
    with torch.no_grad():
        series = part.series(calls)
    return lambda input: cast(Tensor, part(input, series=series))


class _value_of(torch.autograd.Function):  # noqa: N801 - used like a function
    """The second argument's value with the first one's gradient."""

    @staticmethod
    def forward(ctx: Any, twin: Tensor, value: Tensor) -> Tensor:  # noqa: ANN401
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return gradient, None
