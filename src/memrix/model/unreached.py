"""Which layers a run of the model has shown to need their digital weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memrix.errors import CalibrationError, ConversionError, SettingsError
from memrix.model.selection import Selected
from memrix.model.watching import Watch

UNREACHED = ("error", "digital")


def require_known(unreached: str) -> None:
    """Raise SettingsError unless it is known what is to become of layers that nothing reaches."""
    if unreached not in UNREACHED:
        raise SettingsError(f"unreached must be 'error' or 'digital', got {unreached!r}")


def stays_digital(
    selected: Sequence[Selected], missed: Mapping[str, bool], watch: Watch, unreached: str
) -> dict[str, str]:
    """Layers that stay digital, and why.

    Args:
        selected: layers of a calibration.
        missed: those that no batch gave an input, and whether one gave an empty one.
        watch: that has seen at least one batch.
        unreached: ``"error"`` or ``"digital"``.

    Raises:
        CalibrationError: a layer was not reached, and that is an error.
        ConversionError: a layer that was asked for is read outside of its calls, or none is left.
    """
    objections = watch.objections
    refused = [layer.name for layer in selected if layer.explicit and layer.name in objections]
    if refused:
        raise ConversionError(
            "the layers cannot be mapped as asked:\n  "
            + "\n  ".join(f"layer {name!r} cannot be mapped: {objections[name]}" for name in refused)
            + "\nleave them out of the selection, or have the model call them wherever it uses their weights"
        )
    lost = [name for name in missed if name not in objections]
    if lost and unreached == "error":
        empty = [name for name in lost if missed[name]]
        raise CalibrationError(
            f"no batch reached these layers with an input: {', '.join(lost)}; "
            + (f"the inputs of {', '.join(empty)} were empty; " if empty else "")
            + "give batches that run them, leave them out of the selection, or keep them digital: "
            "memrix.calibrate(..., unreached='digital')"
        )
    found = objections | dict.fromkeys(lost, "no batch of its calibration reached it")
    if len(found) == len(selected):
        told = "; ".join(f"{name!r}: {reason}" for name, reason in found.items())
        raise ConversionError(f"there is no layer left to map: {told}")
    return found
