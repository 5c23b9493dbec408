"""One batch of speech through one execution of a recognizer: transcripts, losses, errors, time."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn

import memrix
from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.evaluation.records import BatchRecord, Execution, UtteranceRecord
from memrix.asr.scoring import ErrorCount
from memrix.asr.speech_model import SpeechBatch, SpeechModel
from memrix.errors import ConversionError

_KEPT_OUTPUT_BYTES = 512 * 2**20


class Measurement:
    """Runs batches through executions and compares them with the float model.

    Args:
        model: in float.
        seed: of the read noise; each chip, batch and pass has its own stream, so that a batch gives the
            same figures whether or not others ran before it in this process.
    """

    def __init__(self, model: SpeechModel, seed: int) -> None:
        self._model = model
        self._seed = seed
        self._float_outputs: OrderedDict[int, Tensor] = OrderedDict()

    def measure(
        self, execution: Execution, model: SpeechModel, index: int, batch: SpeechBatch, cells: int
    ) -> BatchRecord:
        """The record of batch number ``index`` run by ``model``.

        Raises:
            ConversionError: outputs that are not finite.
        """
        on_chip = execution.kind == "chip"
        with torch.no_grad():
            if on_chip:
                memrix.reset_statistics(model.network)
                self._reseed(model.network, execution, index, reading=0)
            start = time.perf_counter()
            encoded = model.encode(batch)
            hypotheses = model.transcribe(batch, encoded)
            seconds = time.perf_counter() - start
            conversions = clipped = 0
            if on_chip:
                summary = memrix.summary(model.network)
                conversions, clipped = summary.conversions, summary.clipped
                # The loss must not depend on how many reads the transcription happened to take.
                self._reseed(model.network, execution, index, reading=1)
            nll, tokens = model.reference_loss(batch, encoded)
            labels = model.label_errors(batch, encoded) or [ErrorCount(0, 0)] * len(batch.ids)
            if execution.kind == "float":
                self._keep(index, encoded)
            elif index not in self._float_outputs:
                self._keep(index, self._model.encode(batch))
            float_output = self._float_outputs[index]
            deviation = _energy(encoded - float_output)
            energy = _energy(float_output)
        utterances = []
        for i, (reference, hypothesis) in enumerate(zip(batch.texts, hypotheses, strict=True)):
            count = model.word_errors(reference, hypothesis)
            record = UtteranceRecord(
                id=batch.ids[i],
                reference=reference,
                hypothesis=hypothesis,
                errors=count.errors,
                words=count.words,
                nll=float(nll[i]),
                tokens=int(tokens[i]),
                error_energy=float(deviation[i]),
                float_energy=float(energy[i]),
                seconds=int(batch.samples[i]) / SAMPLE_RATE,
                label_errors=labels[i].errors,
                labels=labels[i].words,
            )
            if not math.isfinite(record.nll + record.error_energy + record.float_energy):
                raise ConversionError(
                    f"utterance {record.id!r} gives numbers that are not finite in execution {execution}; "
                    "listen to the recording, and check the weights of the model"
                )
            utterances.append(record)
        return BatchRecord(index, cells, seconds, conversions, clipped, tuple(utterances))

    def _reseed(self, network: nn.Module, execution: Execution, index: int, reading: int) -> None:
        assert execution.chip is not None
        sequence = np.random.SeedSequence(self._seed, spawn_key=(execution.chip, index, reading))
        memrix.reseed(network, read=int(sequence.generate_state(1)[0]))

    def _keep(self, index: int, output: Tensor) -> None:
        # The first batches stay: executions visit all batches in the same order, so whatever is dropped
        # for being old would be needed again before what replaced it.
        kept = sum(tensor.nbytes for tensor in self._float_outputs.values())
        if self._float_outputs and kept + output.nbytes > _KEPT_OUTPUT_BYTES:
            self._float_outputs.popitem()
        self._float_outputs[index] = output


def _energy(output: Tensor) -> Tensor:
    return output.double().square().flatten(1).sum(1)  # [batch]
