"""What an utterance costs on a chip: a recognizer reads utterances one by one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import memrix
from memrix import CostConstants, Costs, Hardware
from memrix.asr.chips import as_trained, on_chip
from memrix.asr.corpora.catalog import load_corpus
from memrix.asr.corpus import chosen
from memrix.asr.evaluation.batches import Clip, in_batches, inputs_of
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.settings import CostSettings
from memrix.asr.files import write_whole
from memrix.asr.kept import parse_kept, with_hash
from memrix.asr.outside import explained
from memrix.asr.provenance import versions
from memrix.asr.recognizer_files import open_recognizer
from memrix.asr.speech_model import SpeechModel
from memrix.asr.trained_recognizers import open_trained
from memrix.errors import DataError, SettingsError

_DETAILS = {"layers", "digital", "counts", "constants"}
_CALIBRATION_CLIPS = 64


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

    costs: Costs
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
            **vars(self),
            "settings": asdict(self.settings),
            "hardware": None if self.hardware is None else self.hardware.to_dict(),
            "costs": self.costs.to_dict(),
            "versions": versions(),
        }


def costs_of_utterances(
    settings: CostSettings, hardware: Hardware, reporter: Reporter | None = None
) -> UtteranceCosts:
    """Run utterances through a recognizer on a chip, and measure what its readings cost.

    Args:
        settings: which recognizer and utterances.
        hardware: the chip, unless one was saved.
        reporter: hears about progress.

    Raises:
        MemrixError: recognizer, chip, corpus or constants that cannot be used.
    """
    reporter = reporter or Reporter()
    corpus, constants = load_corpus(settings.corpus), CostConstants.of(settings.constants)
    trained = open_trained(settings.trained)
    if not trained.low_bit:
        raise SettingsError(
            f"{settings.trained!r} has no recognizer with low-bit weights; name a folder that `memrix experiment "
            f"--save-trained` has written"
        )
    bits = trained.low_bit[-1][0] if settings.weight_bits is None else settings.weight_bits
    model = open_recognizer(str(trained.file(bits)))
    if settings.chip is None:
        reporter.note("programming the chip")
        hardware = as_trained(model, hardware)
        held = chosen(load_corpus(settings.corpus, part="train"), None).utterances[:_CALIBRATION_CLIPS]
        inputs = (inputs_of(model, clips) for clips in in_batches(model, held))
        model = on_chip(model, hardware, inputs, seed=settings.seed)
    else:
        model = model.with_network(memrix.load(settings.chip, model.network))
    # Chosen by their ids alone.
    drawn = sorted(corpus.utterances, key=lambda item: hashlib.sha256(item.id.encode()).hexdigest())[: settings.limit]
    reporter.note(f"counting inputs of {len(drawn)} utterances")
    with reporter.stage("utterances", len(drawn)) as advance:
        costs, seconds = mean_costs(model, drawn, constants, advance)
    known = hardware if settings.chip is None else None
    return UtteranceCosts(costs, seconds, len(drawn), bits, known, settings)


def mean_costs(
    model: SpeechModel,
    clips: Sequence[Clip],
    constants: CostConstants | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Costs, float]:
    """What the readings of a chip cost, and seconds of audio: of an utterance, the mean.

    A sequence-to-sequence model reads each utterance once with its text, not token by token.
    """
    inputs = (inputs_of(model, [clip]) for clip in clips)
    costs = memrix.costs(model.network, inputs, constants=constants, inputs=len(clips), progress=progress)
    return costs, sum(clip.duration() for clip in clips) / len(clips)


def kept_costs(path: Path) -> dict[str, Any] | None:
    """Costs that were kept; None where there are none.

    Raises:
        DataError: the file is damaged.
    """
    if not path.is_file():
        return None
    with explained(DataError, f"{path} is damaged", "remove it to count again", (OSError, ValueError)):
        return parse_kept(path.read_bytes())[0]


def keep_costs(path: Path, model: SpeechModel, clips: Sequence[Clip]) -> None:
    """Count the costs of an utterance, and keep the mean without its details."""
    costs, seconds = mean_costs(model, clips)
    table = {name: value for name, value in costs.to_dict().items() if name not in _DETAILS}
    write_whole(path, json.dumps(with_hash({"seconds": seconds, **table})).encode())
