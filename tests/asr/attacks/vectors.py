"""An attacker's files: whatever runs one of them leaves a trace."""

import gzip
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.asr.miniature import noise


class Trace:
    """A file that an attack makes when it is run.

    Attributes:
        path: of the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "attacked"

    @property
    def command(self) -> str:
        return f"touch {self.path}"

    @property
    def was_left(self) -> bool:
        return self.path.exists()

    def python(self) -> str:
        """A module that leaves the trace when it is imported."""
        return f"import pathlib\npathlib.Path({str(self.path)!r}).touch()\n"

    def pickled(self) -> bytes:
        """A pickle that leaves the trace when it is loaded."""
        return pickle.dumps(_Running(self.command))


class _Running:
    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self._command,)


def rewritten(manifest: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the first line of a manifest."""
    first, *others = gzip.decompress(manifest.read_bytes()).decode().splitlines()
    table = json.loads(first)
    change(table)
    manifest.write_bytes(gzip.compress("\n".join([json.dumps(table), *others]).encode()))


def sourced(**source: object) -> Callable[[dict[str, Any], Trace], None]:
    """A recording from another source; ``{command}`` and ``{path}`` are those of the trace."""

    def change(cut: dict[str, Any], trace: Trace) -> None:
        for key, value in source.items():
            text = value.format(command=trace.command, path=trace.path) if isinstance(value, str) else value
            cut["recording"]["sources"][0][key] = text

    return change


def _reverberated(cut: dict[str, Any], trace: Trace) -> None:
    response = json.loads(json.dumps(cut["recording"]))
    response["sources"] = [{"type": "command", "channels": [0], "source": trace.command}]
    kwargs = {"rir": response, "normalize_output": True, "early_only": False, "affix_id": True, "rir_channels": [0]}
    cut["recording"]["transforms"] = [{"name": "ReverbWithImpulseResponse", "kwargs": kwargs}]


def _of_another_class(cut: dict[str, Any], trace: Trace) -> None:
    cut["recording"]["transforms"] = [{"name": "os.system", "kwargs": {"command": trace.command}}]


def _with_custom_recording(cut: dict[str, Any], trace: Trace) -> None:
    noisy = json.loads(json.dumps(cut["recording"]))
    noisy["sources"] = [{"type": "command", "channels": [0], "source": trace.command}]
    cut["custom"] = {"noise": noisy}


def _with_custom_array(cut: dict[str, Any], trace: Trace) -> None:
    array = {"storage_type": "kaldiio", "storage_path": "", "storage_key": f"{trace.command} |", "shape": [1]}
    cut["custom"] = {"vector": {"array": array, "temporal_dim": 0, "frame_shift": 0.1, "start": 0}}


def _with_supervision_array(cut: dict[str, Any], trace: Trace) -> None:
    array = {"storage_type": "kaldiio", "storage_path": "", "storage_key": f"{trace.command} |", "shape": [1]}
    cut["supervisions"][0]["custom"] = {"vector": array}


def _with_features(cut: dict[str, Any], trace: Trace) -> None:
    cut["features"] = {
        "type": "fbank",
        "num_frames": 100,
        "num_features": 80,
        "frame_shift": 0.01,
        "sampling_rate": 16000,
        "start": 0,
        "duration": 1,
        "storage_type": "kaldiio",
        "storage_path": "pipe:" + trace.command,
        "storage_key": f"{trace.command} |",
    }


def _mixed(cut: dict[str, Any], trace: Trace) -> None:
    track = {**json.loads(json.dumps(cut)), "type": "MonoCut"}
    sourced(type="command", source="{command}")(track, trace)
    name = cut["id"]
    cut.clear()
    cut.update(type="MixedCut", id=name, tracks=[{"type": "MonoCut", "cut": track, "offset": 0.0}])


CORPUS_ATTACKS: dict[str, tuple[Callable[[dict[str, Any], Trace], None], str]] = {
    "command": (sourced(type="command", source="{command}"), "a command, expected a file"),
    "url": (sourced(type="url", source="file://{path}"), "a url, expected a file"),
    "url of a pipe": (sourced(type="url", source="pipe:{command}"), "a url, expected a file"),
    "memory": (sourced(type="memory", source="UklGRg=="), "a memory, expected a file"),
    "shar": (sourced(type="shar", source=""), "a shar, expected a file"),
    "unknown source": (sourced(type="eval", source="{command}"), "a eval, expected a file"),
    "pipe": (sourced(source="pipe:{command}"), "is a pipe, expected a file"),
    "pipe of kaldi": (sourced(source="{command} |"), "is a pipe, expected a file"),
    "address": (sourced(source="s3://bucket/a.wav"), "is a URL, expected a file"),
    "standard input": (sourced(source="-"), "is the standard input"),
    "video": (sourced(video={"fps": 1, "num_frames": 1, "height": 1, "width": 1}), "video"),
    "impulse response": (_reverberated, "is changed by 'ReverbWithImpulseResponse'"),
    "transform": (_of_another_class, "is changed by 'os.system'"),
    "custom recording": (_with_custom_recording, "custom 'noise' is a recording, which lhotse would load"),
    "custom array": (_with_custom_array, "custom 'vector' is an array, which lhotse would load"),
    "supervision's array": (_with_supervision_array, "custom 'vector' is an array, which lhotse would load"),
    "features": (_with_features, "features.storage_type"),
    "mixture": (_mixed, "a MixedCut, expected a MonoCut"),
}
"""What a line of a manifest may ask of lhotse, and what memrix says."""


def shell_named(folder: Path, trace: Trace, suffix: str) -> str:
    """A sound recording whose name is a command of a shell; its name."""
    import soundfile

    # A name of a file has no slash: the command changes to where the trace belongs.
    name = f"a;cd ..;touch {trace.path.name};{suffix}"
    target = folder / name
    soundfile.write(target, noise(1.0), 16_000, format="WAV")
    return name


def copied_model(model: Path, target: Path) -> Path:
    """A copy of a model's folder that a test may turn into an attack."""
    return shutil.copytree(model, target)


def with_settings(folder: Path, file: str, **settings: object) -> None:
    """Add settings to a JSON file of a model."""
    path = folder / file
    table = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**table, **settings}))
