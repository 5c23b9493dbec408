"""Every block of README, CONTRIBUTING and docs runs, or is parsed by what reads it.

Python is executed, block after block of a document in one namespace. TOML is read by what the document says reads it.
Of shell, every call of `memrix` is parsed by the real command line with its real options, and every other program is
one that is known here. Inline calls of `memrix` have real commands and options.
"""

import argparse
import csv
import json
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from memrix import Hardware
from memrix.cli.main import app, main
from memrix.crossbar.protocols import PROTOCOLS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "src" / "memrix" / "asr" / "trained").glob("*/README.md")),
]

EXEMPT = {
    ("docs/search.md", "text"): "a formula, which nothing reads",
    ("docs/studies.md", "text"): "needs a SLURM cluster",
}
"""Blocks that nothing checks, by document and language, each with the reason."""

SLOW = {
    ("docs/search.md", "python"): "fetches IRSTLM from Debian, unless KenLM's lmplz is there",
    ("docs/training.md", "python"): "programs 12 million cells",
    ("docs/transcribing.md", "python"): "fetches Whisper and programs 16 million weights",
}
"""Python blocks that are executed by `make test-slow` alone, each with the reason."""

GUIDE = """
import copy, torch, memrix

class Attended(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8))
        self.attn = torch.nn.MultiheadAttention(8, 2)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x):
        x = self.encoder(x)
        return self.head(self.attn(x, x, x)[0])

model = Attended()
pretrained = copy.deepcopy(model)
hardware = memrix.Hardware.preset("physical").replace(weight_bits=4)
batches = [torch.randn(5, 3, 8) for _ in range(2)]
memrix.calibrate(model, batches, hardware)
"""
TALK = """
import numpy as np, soundfile

soundfile.write("talk.wav", np.random.default_rng(0).normal(scale=0.1, size=16_000), 16_000)
"""

GIVEN = {"docs/guide.md": GUIDE, "docs/aging.md": GUIDE, "docs/transcribing.md": TALK}
"""What the text of a document speaks of before its Python does."""


def training_settings(table):
    from memrix.asr.experiment.settings import ExperimentSettings
    from memrix.asr.recipes import experiment_in
    from memrix.asr.training.settings import TrainingSettings

    ExperimentSettings(**experiment_in(table, "this block"))
    TrainingSettings.from_dict({name: value for name, value in table.items() if name != "experiment"})


def cost_constants(tables):
    from memrix import CostConstants

    CostConstants.from_dict(tables)


READERS = {
    "docs/guide.md": Hardware.from_dict,
    "docs/training.md": training_settings,
    "docs/costs.md": cost_constants,
}
"""What reads the TOML of a document."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.document}:{self.line}"

    @property
    def kind(self):
        return self.document, self.language


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def blocks_of(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    fences = [number for number, line in enumerate(lines) if line.startswith("```")]
    assert len(fences) % 2 == 0, f"{name_of(path)} has a fence that is not closed"
    return [
        Block(name_of(path), begin + 1, lines[begin].removeprefix("```"), "\n".join(lines[begin + 1 : end]) + "\n")
        for begin, end in zip(fences[::2], fences[1::2], strict=True)
    ]


BLOCKS = [block for path in DOCUMENTS for block in blocks_of(path)]


def of(language):
    return [block for block in BLOCKS if block.language == language]


def prose_of(path):
    """A document without its blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def test_every_block_is_checked_or_exempt_with_a_reason():
    unchecked = {block.kind for block in BLOCKS if block.language not in ("python", "sh", "toml", "json", "csv")}
    assert unchecked == set(EXEMPT)
    assert set(SLOW) <= {block.kind for block in BLOCKS}
    assert {block.document for block in of("toml")} == set(READERS)
    assert set(GIVEN) <= {block.document for block in of("python")}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_no_block_hides_by_being_indented(path):
    # After an item of a list, indented lines are its text; after anything else, they are code without a language.
    hidden = re.findall(r"(?<=\n)(?![-*0-9 |])[^\n]*\n\n(    [^\n]+)", "\n" + prose_of(path))
    assert [line for line in hidden if not line.lstrip().startswith("|")] == []


def executed(document, folder):
    namespace = {}
    exec(compile(GIVEN.get(document, ""), "<given>", "exec"), namespace)
    for block in of("python"):
        if block.document == document:
            # The numbers of lines are those of the document.
            exec(compile("\n" * block.line + block.text, str(ROOT / document), "exec"), namespace)
    return namespace


PYTHON = sorted({block.document for block in of("python")})


@pytest.mark.parametrize(
    "document",
    [pytest.param(name, marks=[pytest.mark.slow] if (name, "python") in SLOW else []) for name in PYTHON],
)
def test_python_runs(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = dict(PROTOCOLS)
    try:
        executed(document, tmp_path)
    finally:  # what a document registers is known to it alone
        PROTOCOLS.clear()
        PROTOCOLS.update(known)


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_is_python(block):
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_toml_is_read_by_what_reads_it(block):
    READERS[block.document](tomllib.loads(block.text))


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_is_json(block):
    json.loads(block.text)


@pytest.mark.parametrize("block", of("csv"), ids=str)
def test_rows_of_a_table_have_the_columns_of_its_head(block):
    head, *rows = csv.reader(block.text.splitlines())
    assert {len(row) for row in rows} == {len(head)}


def test_settings_in_the_text_of_trainings_are_settings():
    settings = re.findall(r"`([a-z_]+ = [^`]+)`", prose_of(ROOT / "docs" / "training.md"))
    assert len(settings) >= 9
    for setting in settings:
        table = tomllib.loads(setting)
        if "compensation" in table:
            table["quantization"] = {"learned_steps": True}
        if table.keys() & {"quantization", "annealing", "resampled_epochs"}:
            table["method"] = "quantization-aware"
        training_settings(table)


def calls_of(text):
    """The calls in a shell block, as lists of words."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def parsed(words):
    """Parse a call of `memrix` by its command line; SystemExit and errors of cyclopts are what a user would meet."""
    app.parse_args(words, exit_on_error=False, print_error=False)


def check_make(words):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(words) <= set(targets)


def check_tensorboard(words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--logdir", required=True)
    parser.parse_args(words)


def check_pip(words):
    command, requirement = words
    name, extras = re.fullmatch(r"(\w+)(?:\[([\w,]+)\])?", requirement).groups()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (command, name) == ("install", project["name"])
    assert set((extras or "").split(",")) - {""} <= set(project["optional-dependencies"])


def check_torchrun(words):
    from torch.distributed.run import get_args_parser

    script = get_args_parser().parse_args(words).training_script
    assert (ROOT / script).is_file()


def check_ngspice(words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("-b", action="store_true", required=True)
    parser.add_argument("-r")
    parser.add_argument("netlist")
    parser.parse_args(words)


PROGRAMS = {
    "memrix": parsed,
    "torchrun": check_torchrun,
    "make": check_make,
    "pip": check_pip,
    "tensorboard": check_tensorboard,
    "ngspice": check_ngspice,
}
CALLS = [
    pytest.param(words, id=f"{block}: {' '.join(words)[:60]}") for block in of("sh") for words in calls_of(block.text)
]


@pytest.mark.parametrize("words", CALLS)
def test_shell_calls_programs_with_options_that_they_have(words):
    program, *arguments = words
    PROGRAMS[program](arguments)


@pytest.mark.parametrize(
    "wrong", ["memrix evalute", "memrix train --confg small --output x", "memrix train", "memrix demo --threads two"]
)
def test_a_wrong_call_is_found(wrong):
    with pytest.raises(Exception, match=r"(?i)unknown|requires|invalid|unable|missing"):
        parsed(shlex.split(wrong)[1:])


def test_an_installation_of_what_there_is_not_is_found():
    with pytest.raises(AssertionError):
        check_pip(["install", "memrix[asr,speech]"])


NO_CALLS = {"memrix M EH M R IH K S": "a line of a dictionary"}
"""What looks like a call in the text, each with the reason why it is none."""

INLINE = [
    pytest.param(call, id=f"{name_of(path)}: {call[:60]}")
    for path in DOCUMENTS
    for found in re.findall(r"`(memrix [^`]+)`", prose_of(path))
    if (call := " ".join(found.split())) not in NO_CALLS
]


@pytest.mark.parametrize("call", INLINE)
def test_calls_in_the_text_have_real_commands_and_options(call):
    words = [word for word in shlex.split(call)[1:] if word != "--help"]  # which every command has
    commands, apps, rest = app.parse_commands(words)
    assert commands, f"{call} names no command"
    # A group of commands takes no options of its own.
    taken = [] if apps[-1].default_command is None else apps[-1].assemble_argument_collection()
    known = {name for argument in taken for name in argument.names}
    given = {word.partition("=")[0] for word in rest if word.startswith("-")}
    assert given <= known | {"--help", "--version"}


def test_calls_over_the_line_are_read_whole():
    assert calls_of("memrix train --config small \\\n    --output run  # a note\n\nmake test\n") == [
        ["memrix", "train", "--config", "small", "--output", "run"],
        ["make", "test"],
    ]


@pytest.mark.slow
def test_the_device_of_the_readme_is_fitted_shown_and_compared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["device", "example", "-o", "sweeps.csv"]) == 0
    (block,) = [block for block in of("sh") if block.document == "README.md" and "device fit" in block.text]
    for _, *words in calls_of(block.text):
        assert main(words) == 0


@pytest.mark.slow
def test_a_corpus_is_prepared_and_shown_as_in_the_documents(tmp_path):
    """Fetches 35 MB, unless they are in the cache."""
    run = [sys.executable, "-m", "memrix", "corpus"]
    for words in (["prepare", "queen"], ["show", "queen", "--json", "queen.json"]):
        subprocess.run([*run, *words], check=True, cwd=tmp_path)
    assert json.loads((tmp_path / "queen.json").read_text())["statistics"]["test"]["words"] == 3584
