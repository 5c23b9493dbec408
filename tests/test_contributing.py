"""CONTRIBUTING is true: its code paths are what runs when a chip is programmed and read; its files exist."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_architecture import FLOORS, SOURCE, floor_of

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGES = [
    "_support",
    "device",
    "device/fitting",
    "crossbar",
    "crossbar/protocols",
    "quantization",
    "hardware",
    "nn",
]
PACKAGES += ["model", "checkpoint", "exports", "studies", "cli"]


def section(heading):
    return re.search(rf"(?ms)^## {heading}$(.*?)(?=^## |\Z)", TEXT)[1]


def code_path(title):
    """The steps of a code path, in its order: file and function."""
    table = re.search(rf"(?s)\*\*{title}.*?(?=\n\n\*\*|\Z)", section("Code paths"))[0]
    rows = re.findall(r"(?m)^\| \[`([\w/]+\.py)`\]\(src/memrix/([\w/]+\.py)\) \| (.*?) \|", table)
    assert all(name == link for name, link, _ in rows)
    return [(name, function) for name, _, functions in rows for function in re.findall(r"`([\w.]+)`", functions)]


INPUT, WEIGHT = code_path("An input"), code_path("A weight")

PROFILED = """
import sys

if sys.argv[1] == "tensors":
    sys.modules["numba"] = None

from pathlib import Path
import torch, memrix

source = Path(memrix.__file__).parent
calls = {}

def step(frame):
    path = Path(frame.f_code.co_filename)
    return (path.relative_to(source).as_posix(), frame.f_code.co_qualname) if path.is_relative_to(source) else None

def profile(frame, event, _):
    if event == "call" and (called := step(frame)):
        frame = frame.f_back
        while frame and not step(frame):  # what torch puts in between
            frame = frame.f_back
        calls[(*called, *(step(frame) if frame else ("", "")))] = None

model, x = torch.nn.Linear(8, 4), torch.randn(3, 8)
memrix.calibrate(model, [x], memrix.Hardware())
def show(what):
    sys.setprofile(None)
    for call in calls:
        print(what, *call, sep="|")
    calls.clear()

memrix.program(model, memrix.Hardware())(x)  # what is made once, machine code among it
sys.setprofile(profile)
chip = memrix.program(model, memrix.Hardware())
show("weight")
with torch.no_grad():
    sys.setprofile(profile)
    chip(x)
show("input")
"""


@functools.cache
def callers(backend):
    """Which functions of memrix call which while a layer is programmed or read, without those of torch in between."""
    run = subprocess.run(
        [sys.executable, "-c", PROFILED, backend], check=True, capture_output=True, text=True, cwd=ROOT
    )
    found = {"weight": {}, "input": {}}
    for line in run.stdout.splitlines():
        what, file, function, *caller = line.split("|")
        found[what].setdefault((file, function), set()).add(tuple(caller))
    return found


@pytest.mark.parametrize(("what", "steps"), [("input", INPUT), ("weight", WEIGHT)], ids=["input", "weight"])
def test_each_step_of_a_code_path_is_called_by_one_before_it(what, steps):
    calls = callers("tensors")[what]
    first, *others = steps
    assert first in calls
    for number, step in enumerate(others, 1):
        assert calls.get(step, set()) & set(steps[:number]), f"{step} is called by {calls.get(step)}"


def test_on_a_cpu_the_compiled_backend_stands_in_for_the_read_and_its_adc():
    calls = callers("compiled")["input"]
    if ("crossbar/compiled.py", "read") not in calls:
        pytest.skip("no compiler here")
    assert ("crossbar/operator.py", "_read") in calls[("crossbar/operator.py", "_read_once")]
    assert ("crossbar/operator.py", "_read_once") in calls[("crossbar/compiled.py", "read")]
    assert ("crossbar/read.py", "read") not in calls


def test_a_code_path_is_short():
    assert len({file for file, _ in INPUT}) <= 5
    assert len({file for file, _ in WEIGHT}) <= 8
    assert len(FLOORS) <= 10


def test_files_and_folders_that_are_named_exist():
    named = set(re.findall(r"`((?:[\w-]+/)*(?:[\w-]+\.(?:py|md|json)|[\w-]+/))`", TEXT))
    places = [ROOT, SOURCE, *(SOURCE / package for package in PACKAGES), SOURCE.parent, SOURCE / "asr" / "corpora"]
    assert len(named) > 40
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def anchors(path):
    headings = re.findall(r"(?m)^#+ (.*)$", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?://)([^)#\s]*)(?:#([\w-]+))?\)", document.read_text(encoding="utf-8"))
    for target, anchor in links:
        path = document.parent / target if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def test_the_package_layout_has_all_packages_in_the_order_of_their_imports():
    rows = re.findall(r"(?m)^\| (`.*?`) \|", section("Package layout"))
    listed = [name.split("/")[0].removesuffix(".py") for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert set(listed) == set().union(*FLOORS)
    assert listed == sorted(listed, key=floor_of)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_docstring_of_a_package_names_its_modules_and_draws_its_data_flow(package):
    text = (SOURCE / package / "__init__.py").read_text(encoding="utf-8").split('"""')[1]
    families = {name for name in ("_kernels", "_compiled") if f"*{name}" in text}
    modules = {
        path.stem for path in (SOURCE / package).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    modules -= {"__init__"}
    unnamed = {name for name in modules if not re.search(rf"(?<!\w){name}(?!\w)", text)}
    assert {name for name in unnamed if not name.endswith(tuple(families) or ("\0",))} == set()
    assert re.search(r"[-─]{2,}>", text)
