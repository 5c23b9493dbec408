"""A recognizer that was trained, packed into a smaller file: what `memrix pack` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from memrix.asr.recognizer_files import load_recognizer, save_recognizer
from memrix.asr.speech_model import SpeechModel
from memrix.errors import CheckpointError


@dataclass(frozen=True)
class Packed:
    """What packing made of a recognizer.

    Attributes:
        bits: of its low-bit weights; None in float.
        weights: all parameters of the network.
        before: bytes of the file that was packed.
        after: bytes of the packed file.
        base: name of the pretrained model that the packed file needs; None where it holds everything.
    """

    bits: float | None
    weights: int
    before: int
    after: int
    base: str | None


def pack_recognizer(source: Path, target: Path, *, base: str | None = None, whole: bool = False) -> Packed:
    """Pack the file of a recognizer.

    Args:
        source: as `memrix train` wrote it.
        target: the packed file.
        base: name of the pretrained model that it was trained from; by default that which its file names. A CTC
            recognizer has none.
        whole: whether the packed file holds everything, and needs no base.

    Raises:
        CheckpointError: the file is no recognizer, or has nothing in common with the base; or the packed file cannot
            be written.
        AssetError: the base cannot be loaded.
    """
    if source.resolve() == target.resolve():
        raise CheckpointError(f"{str(target)!r} is the file to be packed, which training goes on from; name another")
    recognizer, training = load_recognizer(source)
    onto = None if whole else pretrained_base(recognizer, base)
    save_recognizer(target, recognizer, training, packed=True, base=onto)
    return Packed(
        bits=recognizer.weight_bits,
        weights=sum(parameter.numel() for parameter in recognizer.network.parameters()),
        before=source.stat().st_size,
        after=target.stat().st_size,
        base=None if onto is None else onto.description["model"]["checkpoint"],
    )


def pretrained_base(
    recognizer: SpeechModel, name: str | None = None, *, anywhere: bool = False
) -> SpeechModel | None:
    """The pretrained model that a recognizer was trained from; None for one that has none.

    Args:
        recognizer: that was trained.
        name: of the model; by default that which the recognizer names.
        anywhere: whether a model in a folder of this machine is none, since others do not have it.

    Raises:
        AssetError: it cannot be loaded.
    """
    known = recognizer.description["model"].get("checkpoint")
    if name is None and (recognizer.kind != "sequence-to-sequence" or (anywhere and Path(known).exists())):
        return None
    from memrix.asr.seq2seq.pretrained import load_pretrained_seq2seq  # imports transformers, which takes seconds

    return load_pretrained_seq2seq(name or known)
