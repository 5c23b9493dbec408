"""What an utterance costs on a chip, kept beside the batches of that chip."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import memrix
from memrix.asr.evaluation.batches import batch_of
from memrix.asr.evaluation.joining import Clip
from memrix.asr.files import write_whole
from memrix.asr.kept import parse_kept, with_hash
from memrix.asr.speech_model import SpeechModel
from memrix.errors import DataError

_DETAILS = {"layers", "digital", "counts", "constants"}


def kept_costs(path: Path) -> dict[str, Any] | None:
    """Costs that were kept; None where there are none.

    Raises:
        DataError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        return parse_kept(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); remove it to count again") from error


def count_costs(model: SpeechModel, utterances: Iterable[Clip], path: Path) -> None:
    """Count what the readings of a chip cost, one utterance after the other, and keep the mean.

    A sequence-to-sequence model reads each utterance once with its reference, not token by token.
    """
    chosen = list(utterances)
    inputs = (model.calibration_inputs(batch_of(model, [utterance])) for utterance in chosen)
    costs = memrix.costs(model.network, inputs, inputs=len(chosen)).to_dict()
    seconds = sum(utterance.duration() for utterance in chosen) / len(chosen)
    table = {name: value for name, value in costs.items() if name not in _DETAILS}
    write_whole(path, json.dumps(with_hash({"seconds": seconds, **table})).encode())
