"""A speech recognizer for `memrix study sensitivity`, `attribution` and `allocate`: the functions that these take.

The recognizer is the shipped `queen-small`, the utterances are of the corpus `queen` (`memrix corpus prepare queen`).
The first command writes the chip with the bits and the digital layers of the recognizer, the second studies it:

    python examples/speech_layers.py physical chip.toml
    memrix study attribution chip.toml --model examples/speech_layers.py:model \
        --batches examples/speech_layers.py:batches --calibration examples/speech_layers.py:calibration \
        --metric examples/speech_layers.py:loss --better smaller

With `MEMRIX_BITS=float` it is the float recognizer, whose bits can be allocated; `MEMRIX_UTTERANCES` is their number.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lhotse import CutSet
from torch import Tensor, nn

import memrix
from memrix.asr.chips import as_trained
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.speech_model import SpeechBatch, SpeechModel
from memrix.asr.trained_recognizers import open_trained
from memrix.asr.training.data import SpeechData

BITS = os.environ.get("MEMRIX_BITS", "3")  # of the shipped recognizer: 3, 4 or float
UTTERANCES = int(os.environ.get("MEMRIX_UTTERANCES", "16"))


@cache
def recognizer() -> SpeechModel:
    """The shipped recognizer."""
    trained = open_trained("queen-small")
    path = trained.floating if BITS == "float" else dict(trained.low_bit)[float(BITS)]
    model: SpeechModel = load_recognizer(path)[0]
    return model.eval()


def model() -> nn.Module:
    """Its network, which takes features and their lengths."""
    return recognizer().network


def batches(split: str = "test", first: int = 0) -> list[SpeechBatch]:
    """Utterances of a split, four in a batch, chosen by their ids alone."""
    spelled = [
        cut
        for cut in open_corpus("queen").cuts(split)
        if not recognizer().labels.unspellable([cut.supervisions[0].text])
    ]
    spelled.sort(key=lambda cut: hashlib.sha256(cut.id.encode()).hexdigest())
    chosen = CutSet.from_cuts(spelled[first : first + UTTERANCES])
    data, ids = SpeechData(chosen, recognizer(), None), [cut.id for cut in chosen]
    return [data.batch(0, [(name,) for name in ids[place : place + 4]]) for place in range(0, len(ids), 4)]


def loss(network: nn.Module, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
    """CTC loss for each label, in nats, weighted by the labels of the utterances."""
    outputs, lengths = network(*recognizer().calibration_inputs(batch))
    total = nn.functional.ctc_loss(
        outputs.log_softmax(-1).transpose(0, 1), batch.targets, lengths, batch.target_counts, reduction="none"
    )
    return total / batch.target_counts, batch.target_counts.double()


def calibration() -> list[tuple[Tensor, ...]]:
    """Inputs of utterances of the development data."""
    return [recognizer().calibration_inputs(batch) for batch in batches("dev")]


def hardware(name: str) -> memrix.Hardware:
    """A chip with the bits, scales and digital layers of the recognizer; of the float one, 4 bits."""
    chip = memrix.Hardware.named(name)
    if BITS != "float":
        chip = as_trained(recognizer(), chip.replace(weight_bits=float(BITS)))
    return chip.replace(layers={**chip.layers, **dict.fromkeys(recognizer().digital_layers, "digital")})


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the chip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hardware", help="a preset or a file")
    parser.add_argument("output", type=Path, help="TOML file to write")
    options = parser.parse_args(arguments)
    hardware(options.hardware).save(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
