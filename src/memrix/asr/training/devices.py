"""What a training computes on: whether this machine has it is known before anything is read or written."""

from __future__ import annotations

from lightning.fabric.accelerators import CUDAAccelerator, MPSAccelerator

from memrix.asr.training.settings import TrainingSettings
from memrix.errors import SettingsError


def require_devices(settings: TrainingSettings) -> None:
    """Hold what the settings ask for against this machine.

    Raises:
        SettingsError: the accelerator or so many devices of it are not there, or the precision needs another one.
    """
    there = _accelerators()
    # In Lightning's order of preference.
    asked = next(iter(there), "cpu") if settings.accelerator == "auto" else settings.accelerator
    found = " and ".join(f"{count} of {name!r}" for name, count in there.items()) or "no accelerator besides its CPU"
    problems = []
    if asked != "cpu" and asked not in there:
        problems.append(f"accelerator {asked!r}: this machine has {found}; take another one, or 'auto'")
    elif asked != "cpu" and settings.devices > there[asked]:
        problems.append(f"devices {settings.devices} of {asked!r}: this machine has {found}; ask for no more")
    if asked == "cpu" and settings.precision == "bf16":
        problems.append(
            f"precision 'bf16' needs a GPU, and accelerator {settings.accelerator!r} is the CPU here: this machine "
            f"has {found}; take precision '32'"
        )
    if problems:
        raise SettingsError("this training cannot run here:\n  " + "\n  ".join(problems))


def _accelerators() -> dict[str, int]:
    """How many there are of each kind that is there."""
    counts = {
        # Lightning counts them without starting CUDA, which would forbid processes to fork.
        "mps": int(MPSAccelerator.is_available()),
        "cuda": CUDAAccelerator.auto_device_count(),
    }
    return {name: count for name, count in counts.items() if count}
