"""Fingerprints: the same for the same content, another for any other content."""

from __future__ import annotations

import copy
import functools
import importlib.util
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from memrix import Hardware, SettingsError, calibrate, quantize
from memrix.studies.fingerprint import fingerprint

OFFSET = 1.0


def of(value) -> str:
    return fingerprint(value, "the value")


def scaled(factor):
    def metric(model, batch):
        return factor * model(batch) + OFFSET

    return metric


def test_content_is_told_apart():
    values = [None, 0, False, 0.0, "", b"", (), [], {}, set(), 1, True, 1.0, "1", b"1", (1,), [1], {1: 1}, {1}]
    assert len({of(value) for value in values}) == len(values)


def test_every_number_type_and_shape_of_a_tensor_counts():
    base = torch.arange(6.0)
    others = [base.double(), base.view(2, 3), base + torch.tensor([0, 0, 0, 0, 0, 1e-6]), base.numpy()]
    assert len({of(value) for value in (base, *others)}) == 5
    assert of(base) == of(base.clone()) == of(torch.stack([base, base], 1)[:, 0])


def test_a_model_is_known_by_weights_classes_and_settings():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    same = copy.deepcopy(model)
    assert of(model) == of(same) == of(same.eval())
    assert of(model) != of(nn.Sequential(same[0], nn.Tanh()))
    with torch.no_grad():
        same[0].weight[0, 0] += 1e-6
    assert of(model) != of(same)


def test_running_a_calibrated_model_does_not_change_it():
    model, batch, hardware = nn.Sequential(nn.Linear(4, 4)), torch.randn(8, 4), Hardware()
    quantize(model, hardware)
    calibrate(model, [batch], hardware)
    before = of(model)
    model.eval()(batch)
    assert of(model) == before


def test_hooks_have_no_numbers():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.load_state_dict(first.state_dict())
    for model in (first, second):
        model.register_forward_hook(test_hooks_have_no_numbers)
    assert of(first) == of(second)


def test_a_function_is_known_by_what_its_closure_holds():
    assert of(scaled(2)) == of(scaled(2))
    assert of(scaled(2)) != of(scaled(3))
    assert of(functools.partial(scaled, 2)) != of(functools.partial(scaled, 3))


def test_a_function_is_known_by_the_globals_that_it_reads(monkeypatch):
    before = of(scaled(2))
    monkeypatch.setitem(globals(), "OFFSET", 2.0)
    assert of(scaled(2)) != before


def test_functions_of_one_name_are_told_apart_by_their_code():
    sources = [
        "return x + 1",
        "return x + 2",
        "return x - 1",
        "return len(x)",
        "return [x for y in x]",
        "return max(x)",
    ]
    found = set()
    for source in sources:
        space = {}
        exec(f"def metric(x):\n    {source}", space)
        found.add(of(space["metric"]))
    assert len(found) == len(sources)


def test_a_method_is_known_by_its_object():
    class Scaled:
        def __init__(self, factor):
            self.factor = factor

        def metric(self, model, batch):
            return self.factor

    assert of(Scaled(1).metric) == of(Scaled(1).metric)
    assert of(Scaled(1).metric) != of(Scaled(2).metric)
    assert of(Scaled(1)) != of(Scaled(2))


def test_recursion_and_cycles_end():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    loop = []
    loop.append(loop)
    assert of(even) != of(odd)
    assert of(loop) == of(loop)


def test_a_module_of_the_user_is_known_by_its_text(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    found = []
    for text in ("import own_helper\n", "import own_helper\nX = 1\n"):
        for factor in (2, 3):
            (tmp_path / "own_helper.py").write_text(f"def half(x):\n    return x / {factor}\n")
            (tmp_path / "own_metric.py").write_text(text)
            for name in ("own_helper", "own_metric"):
                sys.modules.pop(name, None)
                module = load(name, tmp_path)
            found.append(of(module))
    assert len(set(found)) == 4


def test_a_module_that_a_function_imports_when_called_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def metric(model, batch):
        from late_helper import half

        return half(batch)

    found = []
    for factor in (2, 3):
        (tmp_path / "late_helper.py").write_text(f"def half(x):\n    return x / {factor}\n")
        sys.modules.pop("late_helper", None)
        importlib.invalidate_caches()
        found.append(of(metric))
    assert found[0] != found[1]
    sys.modules.pop("late_helper", None)


def test_a_folder_of_modules_counts_by_the_modules_that_are_used(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_folder").mkdir()
    found = []
    for factor in (2, 3):
        (tmp_path / "own_folder" / "inner.py").write_text(f"def half(x):\n    return x / {factor}\n")
        for name in ("own_folder", "own_folder.inner"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        found.append(of(importlib.import_module("own_folder.inner") and sys.modules["own_folder"]))
    assert found[0] != found[1]


def test_a_library_that_is_imported_meanwhile_changes_nothing():
    def metric(model, batch):
        import wave

        from torch.utils import bundled_inputs

        return wave, bundled_inputs

    for name in ("wave", "torch.utils.bundled_inputs"):
        sys.modules.pop(name, None)
    before = of(metric)
    metric(None, None)
    assert of(metric) == before


def load(name: str, folder: Path):
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "value", [threading.Lock(), (number for number in "abc"), sys.stdout], ids=lambda v: type(v).__name__
)
def test_what_has_no_content_is_refused_where_it_is(value):
    def metric(model, batch):
        return value

    with pytest.raises(SettingsError, match=r"(?s)the metric refers to metric \(.*identity="):
        fingerprint(metric, "the metric")


@pytest.mark.slow
def test_another_process_finds_the_same():
    code = (
        "import torch, memrix; from torch import nn; from memrix.studies.fingerprint import fingerprint\n"
        "model = nn.TransformerEncoderLayer(8, 2, 16)\n"
        "for p in model.parameters(): nn.init.constant_(p, 0.5)\n"
        "from tests.studies.small_study import cross_entropy\n"
        "found = fingerprint((model, memrix.Hardware(), {'a', 'b', 'c'}, cross_entropy), '')\n"
        "print(found)"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    own: dict = {}
    exec(code, own)
    assert run.stdout.strip() == own["found"], run.stderr
