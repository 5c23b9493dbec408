"""A folder of a training, given away by an attacker to be gone on with: it runs nothing."""

from types import SimpleNamespace

import pytest

from memrix.asr.training.loop import train
from memrix.asr.training.settings import TrainingSettings
from memrix.errors import MemrixError
from tests.asr.tones import tone_settings


@pytest.fixture
def begun(tones, tmp_path):
    settings = TrainingSettings.from_dict(tone_settings(tones, epochs=2, checkpoint_minutes=1e-9))

    class StopError(Exception):
        pass

    def stop(news):
        if getattr(news, "batch", 0) == 0 and getattr(news, "epoch", 0) == 1 and hasattr(news, "rate"):
            raise StopError

    with pytest.raises(StopError):
        train(settings, tmp_path / "run", stop)
    return SimpleNamespace(settings=settings, folder=tmp_path / "run")


def test_its_state_runs_nothing(begun, trace):
    import zipfile

    import torch

    state = begun.folder / "last.ckpt"
    sound = torch.load(state, weights_only=True)
    hidden = begun.folder / "hidden.zip"
    with zipfile.ZipFile(state) as source, zipfile.ZipFile(hidden, "w") as target:
        for entry in source.infolist():
            content = trace.pickled() if entry.filename.endswith("data.pkl") else source.read(entry)
            target.writestr(entry.filename, content)
    attacks = [trace.pickled(), hidden.read_bytes()]
    torch.save({**sound, "history": _Runs(trace)}, hidden)
    attacks.append(hidden.read_bytes())
    for attack in attacks:
        state.write_bytes(attack)
        with pytest.raises(MemrixError, match="damaged"):
            train(begun.settings, begun.folder)
        assert not trace.was_left


def test_a_state_that_unpacks_to_the_memory_is_refused(begun):
    import zipfile

    state = begun.folder / "last.ckpt"
    packed = begun.folder / "packed.zip"
    with (
        zipfile.ZipFile(state) as source,
        zipfile.ZipFile(packed, "w", compression=zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    packed.replace(state)
    with pytest.raises(MemrixError, match="its parts are compressed"):
        train(begun.settings, begun.folder)


def test_a_state_of_other_content_is_refused(begun):
    import torch

    state = begun.folder / "last.ckpt"
    sound = torch.load(state, weights_only=True)
    moments = sound["optimizer"]["state"]
    for change, said in (
        ({"epoch": 5}, "epochs in its history"),
        ({"epoch": -1}, "epoch"),
        ({"batch": 1.5}, "batch"),
        ({"loss": float("nan")}, "loss"),
        ({"history": []}, "epochs in its history"),
        ({"history": [{"epoch": 0}]}, "history"),
        ({"extra": 1}, "extra"),
        ({"format": "1"}, "format"),
        ({"recognizer": {**sound["recognizer"], "mean": "x"}}, "mean"),
        ({"optimizer": {"state": {**moments, 10**6: moments[0]}, "param_groups": []}}, "another shape"),
        ({"optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []}}, "another shape"),
    ):
        torch.save({**sound, **change}, state)
        with pytest.raises(MemrixError, match=f"damaged .*{said}"):
            train(begun.settings, begun.folder)


def test_no_recognizer_fetches_its_weights_elsewhere(begun, tmp_path):
    from memrix._support.archive import FileKind, read_archive, write_archive
    from memrix.asr.recognizer_files import load_recognizer

    result = train(begun.settings, begun.folder)
    tensors, description = read_archive(result, FileKind("recognizer", "a training", "a training"))
    write_archive(result, tensors, {**description, "model": {"kind": "transformers", "checkpoint": "evil/model"}})
    with pytest.raises(MemrixError, match="is to be fetched from 'evil/model'"):
        load_recognizer(result)


class _Runs:
    def __init__(self, trace):
        self._command = trace.command

    def __reduce__(self):
        import os

        return os.system, (self._command,)
