"""What one utterance costs on a chip: a trained recognizer reads utterances one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lhotse import CutSet
from lhotse.cut import Cut
from torch import nn

import memrix
from memrix import Hardware
from memrix.asr.chips import on_chip
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.experiment.cost_settings import CostSettings
from memrix.asr.recognizer import Recognizer
from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.speech_model import SpeechModel
from memrix.asr.trained_recognizers import open_trained
from memrix.asr.training.batches import padded_audio
from memrix.asr.training.data import SpeechData
from memrix.errors import SettingsError

_LIBRARIES = ("memrix", "torch", "synaptogen")


@dataclass(frozen=True)
class UtteranceCosts:
    """Costs of utterances.

    Attributes:
        costs: of one utterance, the mean.
        seconds: of audio in one utterance, the mean.
        utterances: that were run.
        weight_bits: of the recognizer.
        hardware: of the chip; None where one was saved, whose file says what it is.
        settings: what was asked for.
    """

    costs: memrix.Costs
    seconds: float
    utterances: int
    weight_bits: float
    hardware: Hardware | None
    settings: CostSettings

    @property
    def said(self) -> str:
        """What the costs are of, in a line."""
        utterances = f"{self.utterances} utterance{'s' if self.utterances != 1 else ''}"
        texts = [f"{utterances} of {self.seconds:.2f} s on average", f"weights of {self.weight_bits:g} bits"]
        if self.hardware is not None:
            wires = self.hardware.wires
            texts.append(f"word and bit lines of {wires.word_line:g} and {wires.bit_line:g} ohm a cell")
        return ", ".join(texts)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and tables, for JSON."""
        return {
            "settings": asdict(self.settings),
            "utterances": self.utterances,
            "seconds": self.seconds,
            "weight_bits": self.weight_bits,
            "hardware": None if self.hardware is None else self.hardware.to_dict(),
            "costs": self.costs.to_dict(),
            "versions": {name: version(name) for name in _LIBRARIES},
        }


def costs_of_utterances(
    settings: CostSettings,
    hardware: Hardware,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> UtteranceCosts:
    """Run utterances through a recognizer on a chip, and measure what its readings cost.

    Args:
        settings: which recognizer and utterances.
        hardware: the chip, unless one was saved.
        say: is told in words what comes next.
        progress: called with utterances done, and how many there are.

    Raises:
        MemrixError: recognizer, chip, corpus or constants that cannot be used.
    """
    corpus, constants = open_corpus(settings.corpus), memrix.CostConstants.of(settings.constants)
    bits, path = _low_bit(settings)
    recognizer = load_recognizer(path)[0]
    if settings.chip is None:
        say("programming the chip")
        train = corpus.cuts("train").to_eager()
        hardware = hardware.replace(weight_bits=bits)
        network: nn.Module = on_chip(recognizer, hardware, settings.seed, train).network
    else:
        network = memrix.load(settings.chip, recognizer.network)
    cuts = _some(corpus.cuts("test"), settings.limit)
    say(f"counting inputs of {len(cuts)} utterances")
    costs = memrix.costs(
        network,
        inputs_of(recognizer, cuts),
        constants=constants,
        inputs=len(cuts),
        progress=lambda done: progress(done, len(cuts)),
    )
    seconds = sum(cut.duration for cut in cuts) / len(cuts)
    known = hardware if settings.chip is None else None
    return UtteranceCosts(costs, seconds, len(cuts), bits, known, settings)


def inputs_of(recognizer: SpeechModel, cuts: Sequence[Cut]) -> Iterator[Any]:
    """What the network takes, one utterance after the other.

    A sequence-to-sequence network reads the transcript with its decoder, a position for each token that it would
    write.
    """
    if isinstance(recognizer, Recognizer):  # needs no transcripts, which might have words that it cannot spell
        return (recognizer.inputs(*padded_audio([cut])) for cut in cuts)
    data = SpeechData(CutSet.from_cuts(cuts), recognizer, None)
    return (recognizer.calibration_inputs(data.batch(0, [(cut.id,)])) for cut in cuts)


def _some(cuts: CutSet, count: int) -> list[Cut]:
    """So many utterances, chosen by their ids alone."""
    return sorted(cuts, key=lambda cut: hashlib.sha256(cut.id.encode()).hexdigest())[:count]


def _low_bit(settings: CostSettings) -> tuple[float, Path]:
    """Bits and file of the recognizer that is meant."""
    trained = dict(open_trained(settings.trained).low_bit)
    if not trained:
        raise SettingsError(
            f"{settings.trained!r} has no recognizer with low-bit weights; name a folder that `memrix experiment "
            f"--save-trained` has written"
        )
    bits = min(trained) if settings.weight_bits is None else settings.weight_bits
    if bits not in trained:
        known = ", ".join(f"{known:g}" for known in sorted(trained))
        raise SettingsError(f"{settings.trained!r} has recognizers of {known} bits, got weight_bits = {bits:g}")
    return bits, trained[bits]
