"""The networks of an evaluation: in float, quantized, and on chips."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

import memrix
from memrix import Hardware
from memrix.asr.chips import Choice, as_trained, is_calibrated
from memrix.asr.evaluation.batches import Clip, inputs_of
from memrix.asr.evaluation.records import Execution
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.speech_model import SpeechModel


@dataclass
class Networks:
    """Builds what is to be run from a float model, and from those that were trained with low-bit weights.

    Attributes:
        settings: of the evaluation.
        recognizer: in float.
        low_bit: trained with low-bit weights, by their bits.
        calibration: utterances for activation ranges and calibration samples, in batches.
        reporter: hears about progress.
    """

    settings: EvaluationSettings
    recognizer: SpeechModel
    low_bit: Mapping[float, SpeechModel]
    calibration: Sequence[Sequence[Clip]]
    reporter: Reporter
    _calibrated: nn.Module | None = field(default=None, init=False)

    def model_of(self, execution: Execution) -> SpeechModel:
        """What an execution is of: the float model, or one of low-bit weights."""
        bits = execution.weight_bits
        return self.recognizer if bits is None else self.low_bit.get(bits, self.recognizer)

    def hardware(self, execution: Execution) -> Hardware | None:
        """What an execution runs on: the first hardware for the quantized network, none in float.

        A chip holds the integers that the network was trained with.
        """
        if execution.weight_bits is None:
            return None
        variants = self.settings.variants(execution.weight_bits)
        hardware = variants[execution.hardware or next(iter(variants))]
        return as_trained(self.model_of(execution), hardware)

    def layers(self, hardware: Hardware) -> Choice:
        """Which layers go to that hardware, by the settings or else as the model has it."""
        if self.settings.digital is None:
            return self.recognizer.chip_choice(hardware)
        return {"*": hardware, **dict.fromkeys(self.settings.digital)}

    def prepare(self, execution: Execution) -> nn.Module | None:
        """The calibrated network of an execution whose weights are not trained with low bits; None for others."""
        hardware = self.hardware(execution)
        if hardware is None or self.model_of(execution).is_low_bit:
            return None
        if self._calibrated is None:
            network = copy.deepcopy(self.recognizer.network)
            self._calibrate(network, hardware)
            self._calibrated = network
        self._sample(self._calibrated, hardware)
        return self._calibrated

    def build(self, execution: Execution) -> SpeechModel:
        """The model that an execution runs."""
        hardware, model = self.hardware(execution), self.model_of(execution)
        if hardware is None:
            return model
        base = self.prepare(execution)
        if execution.kind == "quantized":
            if base is None:
                return model
            network = copy.deepcopy(base)
            memrix.quantize(network, self.layers(hardware))
            return model.with_network(network)
        if base is None:
            base = copy.deepcopy(model.network)
            self._sample(base, hardware)
        return model.with_network(self._chip(execution, base, hardware))

    def _sample(self, network: nn.Module, hardware: Hardware) -> None:
        """Collect calibration samples where hardware is tuned by them, and leave the ranges as they are.

        A network that was trained has no other ranges, and one that was calibrated has those of any hardware.
        """
        if not is_calibrated(network, self.layers(hardware)):
            self._calibrate(network, hardware, keep_ranges=True)

    def _chip(self, execution: Execution, network: nn.Module, hardware: Hardware) -> nn.Module:
        assert execution.chip is not None
        number = self.settings.seed + execution.chip
        with self.reporter.stage(f"{execution}: programming", 1) as advance:
            # The total is known only once the first cells are written, so progress goes by share.
            return memrix.program(
                network,
                self.layers(hardware),
                seed=memrix.Seeds(chip=number, programming=number),
                progress=lambda written, cells, layer: advance(written / cells),
            )

    def _calibrate(self, network: nn.Module, hardware: Hardware, *, keep_ranges: bool = False) -> None:
        inputs = (inputs_of(self.recognizer, batch) for batch in self.calibration)
        with self.reporter.stage("calibration", len(self.calibration)) as advance:
            memrix.calibrate(
                network,
                inputs,
                self.layers(hardware),
                percentile=self.settings.percentile,
                keep_ranges=keep_ranges,
                progress=advance,
            )
