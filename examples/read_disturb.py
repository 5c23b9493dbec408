"""What readings that disturb cells do to speech recognizers, at 0.6 V and at 0.4 V.

`python examples/read_disturb.py` programs the encoder of Whisper tiny.en, and the 3-bit Conformer that memrix brings,
with `device.read_disturb` on, lets them read 1, 10 and 100 recordings, and measures each time on others, on a copy,
what has become of them. About twenty minutes on two cores; models and recordings are fetched at the first call.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

import memrix
from memrix.asr.chips import on_chip
from memrix.asr.corpora.catalog import load_corpus, prepare_corpus
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.corpus import shorter_than, split
from memrix.asr.evaluation.batches import batch_of
from memrix.asr.evaluation.words import emissions
from memrix.asr.labels import PhonemeLabels
from memrix.asr.pronunciation import corpus_pronunciations
from memrix.asr.recognizer_files import load_recognizer as load_conformer
from memrix.asr.scoring import count_label_errors
from memrix.asr.search.greedy import greedy_labels
from memrix.asr.seq2seq.pretrained import load_seq2seq
from memrix.asr.trained_recognizers import open_trained
from memrix.asr.training.data import padded_audio
from memrix.crossbar import Crossbar

LONGEST_CLIP = 10.0  # s
CALIBRATION = 16  # recordings
HEAD = ("system", "word lines", "recordings read", "error", "cells SET", "cells RESET", "of cells")


@dataclass(frozen=True)
class System:
    """A recognizer that can be put on a chip.

    Attributes:
        name: with what its error is.
        program: puts it on a chip of some hardware.
        read: lets the chip read the recording of a number.
        error: of a chip on recordings that are kept for that, as text.
    """

    name: str
    program: Callable[[memrix.Hardware], nn.Module]
    read: Callable[[nn.Module, int], object]
    error: Callable[[nn.Module], str]


def whisper(bits: float, recordings: int, held: int) -> System:
    """The encoder of Whisper tiny.en, not retrained, on Asterisk prompts."""
    recognizer = load_seq2seq("whisper-tiny.en")
    corpus = shorter_than(load_corpus("asterisk"), LONGEST_CLIP)
    evaluated, calibration = split(corpus, recordings + held, CALIBRATION, 0)
    encoder: nn.Module = recognizer.network.get_encoder()
    features, samples = (
        [recognizer.inputs(batch_of(recognizer, [utterance]))["input_features"] for utterance in part.utterances]
        for part in (evaluated, calibration)
    )
    kept = features[recordings:]

    @torch.no_grad()
    def outputs(network: nn.Module) -> list[torch.Tensor]:
        return [network(clip).last_hidden_state for clip in kept]

    reference = outputs(encoder)
    energy = sum(float(output.square().sum()) for output in reference)

    def program(hardware: memrix.Hardware) -> nn.Module:
        choice = {"*": None, "layers.*": hardware.replace(weight_bits=bits)}
        memrix.calibrate(encoder, samples, choice)
        return memrix.program(encoder, choice)

    @torch.no_grad()
    def read(chip: nn.Module, number: int) -> object:
        return chip(features[number])

    def error(chip: nn.Module) -> str:
        found = outputs(chip)
        deviation = sum(float((y - r).square().sum()) for y, r in zip(found, reference, strict=True))
        return f"{(deviation / energy) ** 0.5:.3f}"

    return System(f"Whisper's encoder, {bits:g} bits: relative error", program, read, error)


def conformer(bits: float, recordings: int, held: int) -> System:
    """The Conformer `queen-small` on lines of characters that were held out from its training."""
    prepare_corpus("queen")
    corpus = open_corpus("queen")
    train, test = corpus.cuts("train").subset(first=CALIBRATION), list(corpus.cuts("test").to_eager())
    recognizer = load_conformer(dict(open_trained("queen-small").low_bit)[bits])[0]
    labels = recognizer.labels
    if isinstance(labels, PhonemeLabels):  # it knows how the words of its training are spelled
        known = corpus_pronunciations("queen", (), {cut.supervisions[0].text for cut in test})
        labels = PhonemeLabels({**known, **labels.pronunciations}, labels.phonemes)
    # Recordings of all speakers: they follow one another in the corpus.
    spread = [test[number * len(test) // (recordings + held)] for number in range(recordings + held)]
    kept = corpus.cuts("test").filter(lambda cut: cut.id in {own.id for own in spread[recordings:]}).to_eager()

    @torch.no_grad()
    def read(chip: nn.Module, number: int) -> object:
        return chip(*padded_audio([spread[number]]))

    def error(chip: nn.Module) -> str:
        found = emissions(chip, kept)  # type: ignore[arg-type]
        wrong = total = 0
        for cut in kept:
            frames = found[cut.id]
            labeled = greedy_labels(frames.unsqueeze(0), torch.tensor([len(frames)]))[0]
            count = count_label_errors(labels.encode(cut.supervisions[0].text), labeled)
            wrong, total = wrong + count.errors, total + count.words
        return f"{100 * wrong / total:.1f} %"

    return System(
        f"Conformer, {bits:g} bits: label errors",
        lambda chip: on_chip(recognizer, chip, (recognizer.inputs(*padded_audio([cut])) for cut in train)),
        read,
        error,
    )


def at_rest(chip: nn.Module) -> nn.Module:
    """A copy whose cells stay as they are, with the same read noise every time: what is measured is not disturbed."""
    still = copy.deepcopy(chip)
    memrix.reseed(still, read=0)
    for module in still.modules():
        if isinstance(module, Crossbar):
            module.settle_()
            module.word_lines = None
    return still


def rows(system: System, hardware: memrix.Hardware, counts: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """The error before any reading, and after so many recordings."""
    chip = system.program(hardware).eval()
    for number in range(max(counts) + 1):
        if number == 0 or number in counts:
            error = system.error(at_rest(chip))
            summary = memrix.summary(chip)
            yield (
                system.name,
                f"{hardware.dac.vmax:g} V",
                str(number),
                error,
                f"{summary.read_sets:,}",
                f"{summary.read_resets:,}",
                f"{summary.cells / 1e6:.1f} M",
            )
        if number < max(counts):
            system.read(chip, number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="+", choices=("whisper", "conformer"), default=["whisper", "conformer"])
    parser.add_argument("--hardware", default="tuned", help="preset or file")
    parser.add_argument(
        "--mapping", default="bit-sliced", help="or multi-level: a fifth of the cells, and of the time"
    )
    parser.add_argument("--volts", type=float, nargs="+", default=[0.6, 0.4])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 10, 100], help="recordings that are read")
    parser.add_argument("--whisper-bits", type=float, default=6)
    parser.add_argument("--held", type=int, nargs=2, default=[4, 60], help="recordings to measure on, of either")
    options = parser.parse_args(arguments)
    builders = {
        "whisper": lambda: whisper(options.whisper_bits, max(options.counts), options.held[0]),
        "conformer": lambda: conformer(3, max(options.counts), options.held[1]),
    }
    print(_line(HEAD), _line(["---"] * len(HEAD)), sep="\n", flush=True)
    for name in options.systems:
        system = builders[name]()
        for volts in options.volts:
            hardware = memrix.Hardware.named(options.hardware)
            changes = {"dac.vmax": volts, "device.read_disturb": True, "mapping": options.mapping}
            hardware = hardware.replace(**changes)
            began = time.perf_counter()
            for row in rows(system, hardware, options.counts):
                print(_line(row), flush=True)
                print(f"{name}, {volts:g} V: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return 0


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
