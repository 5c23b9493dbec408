"""`memrix pack`: a trained recognizer in the space that its bits take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from memrix.cli.arguments import check_input
from memrix.cli.options import Flag
from memrix.cli.outputs import check_output
from memrix.errors import SettingsError


def pack(
    model: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    base: str | None = None,
    whole: Flag = False,
) -> None:
    """Pack a trained recognizer: low-bit weights as integers of their bits.

    The packed recognizer gives the same outputs and the same chips, and is used as any other: with `memrix evaluate`,
    `memrix transcribe` or `memrix train --start`. The weights between the integers are lost: keep the file that
    training may go on from. A float recognizer is rounded to 11 bits, or its difference to the base to 4.

    Parameters
    ----------
    model
        File that `memrix train` wrote.
    output
        Packed file to write.
    base
        Pretrained model that the training started from: whisper-tiny.en, a name on the Hugging Face hub, or a folder.
        What the recognizer has in common with it is not stored but checked by its SHA-256, and it is loaded
        with the packed recognizer. By default the model that the file names.
    whole
        Store everything, so that no base is needed.
    """
    if whole and base is not None:
        raise SettingsError("--base names what the packed file leaves out, and --whole leaves out nothing; give one")
    check_input("MODEL", model, "a recognizer that `memrix train` wrote")
    check_output(output)
    from memrix.asr.packing import pack_recognizer

    packed = pack_recognizer(model, output, base=base, whole=whole)
    kind = "float" if packed.bits is None else f"{packed.bits:g}-bit"
    needs = "" if packed.base is None else f"; loads onto {packed.base}"
    print(
        f"{output}: {packed.after / 1e6:.1f} MB, before {packed.before / 1e6:.1f} MB; {kind} recognizer of "
        f"{packed.weights / 1e6:.1f} million weights{needs}"
    )
