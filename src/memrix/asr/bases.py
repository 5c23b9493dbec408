"""The base of a packed recognizer: the pretrained model whose tensors and tokenizer its file does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from memrix.asr.kept import hash_of
from memrix.asr.outside import PlainText, Schema, explained
from memrix.asr.speech_model import SpeechModel
from memrix.errors import AssetError, CheckpointError
from memrix.toolkit import shown

BASE = "base"
_DIGEST = ".sha256"  # of a tensor of the base, as memrix.pack_weights names it


class _Base(Schema):
    checkpoint: PlainText
    source: PlainText
    labels_sha256: PlainText | None


def described_onto(base: SpeechModel, description: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a recognizer without the labels that its base has too, and with what tells the base."""
    labels = hash_of(base.description["labels"])
    same = labels == hash_of(description["labels"])
    model = base.description["model"]
    told_of = _Base(checkpoint=model["checkpoint"], source=source_of(base), labels_sha256=labels if same else None)
    kept = {key: value for key, value in description.items() if key != "labels" or not same}
    return {**kept, BASE: told_of.model_dump()}


def source_of(base: SpeechModel) -> str:
    """Where the weights of a base came from, with hash or revision."""
    return str(base.description["model"]["source"])


def require_base(base: SpeechModel, recognizer: SpeechModel, tensors: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError unless a base is of the kind of a recognizer, and has tensors in common with it."""
    if base.kind != recognizer.kind or "checkpoint" not in base.description["model"]:
        raise CheckpointError(
            f"a {recognizer.kind} recognizer has no base that is a {base.kind} model; pack it without a base"
        )
    if not any(name.endswith(_DIGEST) for name in tensors):
        raise CheckpointError(
            f"the recognizer has no tensor in common with {base.description['model']['checkpoint']}; name the model "
            "that its training started from, or pack it without a base"
        )


def base_of(description: object, path: str, given: SpeechModel | None) -> SpeechModel | None:
    """The base that a file names, loaded unless it is given; None where the file holds everything itself.

    Raises:
        CheckpointError: the description is not of memrix.
        AssetError: the base cannot be loaded.
    """
    told_of = _told(description, path)
    if told_of is None or given is not None:
        return given if told_of is not None else None
    from memrix.asr.seq2seq.pretrained import load_pretrained_seq2seq  # imports transformers, which takes seconds

    try:
        return load_pretrained_seq2seq(told_of.checkpoint)
    except AssetError as error:
        raise AssetError(
            f"{path!r} was packed onto {told_of.source}, which has to be loaded with it, and cannot be: {error}"
        ) from error


def completed(
    description: Mapping[str, Any], tensors: Mapping[str, Tensor], base: SpeechModel, path: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The description with the labels of the base, and the tensors beside those that the base lends, by their names.

    Raises:
        CheckpointError: the base has other labels.
    """
    told_of = _told(description, path)
    whole = {key: value for key, value in description.items() if key != BASE}
    if told_of is not None and told_of.labels_sha256 is not None:
        labels = base.description["labels"]
        if hash_of(labels) != told_of.labels_sha256:
            raise CheckpointError(
                f"{path!r} was packed onto {told_of.source}, whose tokenizer is another than that of "
                f"{shown(base.description['model']['checkpoint'])}; load it with that model"
            )
        whole["labels"] = labels
    state = base.state_dict()
    stems = [name.removesuffix(_DIGEST) for name in tensors if name.endswith(_DIGEST)]
    return whole, {**tensors, **{stem: state[stem] for stem in stems if stem in state}}


def _told(description: object, path: str) -> _Base | None:
    if not isinstance(description, dict) or BASE not in description:
        return None
    what = f"the base that {path!r} names is none that memrix wrote"
    with explained(CheckpointError, what, caught=ValidationError):
        return _Base.model_validate(description[BASE])
