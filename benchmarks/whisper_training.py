"""A training step of Whisper tiny.en with low-bit weights over the step in float: four windows of 30 s of noise."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

import memrix
from benchmarks.arguments import require_no_arguments
from benchmarks.report import Table
from benchmarks.timing import median_ratio, take_turns

if TYPE_CHECKING:
    from memrix.asr.speech_model import SpeechBatch, SpeechModel

WINDOWS, SECONDS, TOKENS = 4, 30, 100
BOUND = 1.4  # of a step without a teacher, over a step in float
ROUNDS = 5
HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=3, weight_range="mean-square-error")
QUANTIZATION = memrix.Quantization(learned_steps=True, weight_noise=0.05)


def run() -> Table:
    from memrix.asr.seq2seq.pretrained import load_seq2seq
    from memrix.asr.training.settings import DistillationSettings, TrainingSettings
    from memrix.asr.training.stages import freeze

    settings = TrainingSettings.from_dict({"model": "whisper-tiny.en"})
    model = load_seq2seq("whisper-tiny.en")
    speech = batch(model)
    low_bit = copy.deepcopy(model)
    memrix.calibrate(low_bit.network, [low_bit.calibration_inputs(speech)], low_bit.chip_choice(HARDWARE))
    low_bit.quantize(HARDWARE, QUANTIZATION)
    learner = copy.deepcopy(low_bit)
    for each in (model, low_bit, learner):
        freeze(each, settings)
    none, both = DistillationSettings(), DistillationSettings(logits=0.5, encoder=0.5)
    teacher = copy.deepcopy(model)
    rows = []
    for precision, mixed in (("32", False), ("bf16", True)):
        calls = {
            "float": step(model, None, none, speech, mixed=mixed),
            "low-bit": step(low_bit, None, none, speech, mixed=mixed),
            "taught": step(learner, teacher, both, speech, mixed=mixed),
        }
        seconds = take_turns(calls, rounds=ROUNDS, warm_up=1)
        for name, bound in (("float", ""), ("low-bit", f"{BOUND:g}"), ("taught", "")):
            took = sorted(seconds[name])[ROUNDS // 2]
            rows.append([name, precision, f"{took:.2f}", f"{median_ratio(seconds, name, 'float'):.2f}", bound])
    return Table(
        "Training step of Whisper tiny.en, 3 bits, learned steps and weight noise, over the step in float; "
        "taught: with a float teacher",
        ["step", "precision", "s", "ratio", "bound"],
        rows,
    )


def batch(model: SpeechModel) -> SpeechBatch:
    """Windows of noise, and as many tokens as ten seconds of speech have."""
    from memrix.asr.audio import SAMPLE_RATE
    from memrix.asr.speech_model import Example, SpeechBatch

    torch.manual_seed(0)
    samples, hidden = SECONDS * SAMPLE_RATE, torch.zeros(0, model.bins, dtype=torch.bool)
    targets = torch.randint(1000, 40000, (TOKENS,))
    clips = (0.1 * torch.randn(samples) for _ in range(WINDOWS))
    return SpeechBatch.of([Example("noise", "", clip, targets, hidden) for clip in clips])


def step(
    model: SpeechModel, teacher: SpeechModel | None, weights: object, speech: SpeechBatch, *, mixed: bool
) -> Callable[[], None]:
    """A call that trains a model for a step."""
    from memrix.asr.training.objective import Objective

    objective = Objective(model.train(), teacher, weights, mixed=mixed)  # type: ignore[arg-type]
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.RAdam(parameters, 1e-6)

    def call() -> None:
        optimizer.zero_grad()
        objective(*speech).backward()
        optimizer.step()

    return call


if __name__ == "__main__":
    require_no_arguments(__doc__)
    print(run().to_markdown())
