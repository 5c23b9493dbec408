import json
import os
import re
import subprocess
import sys

import pytest

from memrix.cli.main import main


def test_version_is_that_of_the_distribution(capsys):
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == version("memrix") + "\n"


COMMANDS = [
    [],
    ["corpus"],
    ["corpus", "prepare"],
    ["corpus", "show"],
    ["demo"],
    ["device"],
    ["device", "example"],
    ["device", "fit"],
    ["device", "protocols"],
    ["device", "show"],
    ["evaluate"],
    ["experiment"],
    ["lm"],
    ["lm", "estimate"],
    ["lm", "perplexity"],
    ["pack"],
    ["report"],
    ["train"],
    ["transcribe"],
]
MISTAKES = [
    (["corpus", "prepare", "nowhere"], "there is no corpus 'nowhere'"),
    (["corpus", "show", "nowhere"], "memrix corpus prepare nowhere"),
    (["demo", "--threads", "0"], "at least 1"),
    (["device", "example", "-o", "x.csv", "--parameters", "no.json"], "'no.json' cannot be read"),
    (["device", "fit", "no.csv", "-o", "x.json"], "'no.csv' cannot be read"),
    (["device", "fit", "folder", "-o", "x.json"], "'folder' is a folder"),
    (["device", "protocols", "no.json"], "'no.json' cannot be read"),
    (["device", "show", "no.json", "-o", "x"], "'no.json' cannot be read"),
    (["evaluate", "--hardware", "papr"], "did you mean 'paper'"),
    (["evaluate", "--hardware", "no.toml"], "'no.toml' cannot be read"),
    (["evaluate", "--corpus", "nowhere"], "there is no corpus 'nowhere'"),
    (["evaluate", "--corpus", "tedlium2"], "memrix corpus prepare tedlium2"),
    (["evaluate", "--chips", "0"], "chips must be a whole number from 1 on"),
    (["evaluate", "--chart", "x.docx"], "x.docx"),
    (["evaluate", "--threads", "0"], "at least 1"),
    (["experiment", "paper", "--corpus", "nowhere"], "memrix corpus prepare nowhere"),
    (["experiment", "paper", "--hardware", "paper,papr"], "did you mean 'paper'"),
    (["experiment", "paper", "--size", "smal"], "did you mean 'small'"),
    (["experiment", "--recognizer", "queen"], "did you mean 'queen-small'"),
    (["experiment", "paper", "--recognizer", "no.safetensors"], "'no.safetensors' cannot be read"),
    (["experiment", "paper", "--language-model", "no.arpa"], "'no.arpa' cannot be read"),
    (["experiment", "paper", "--dictionaries", "no.dict"], "'no.dict' cannot be read"),
    (["experiment", "paper", "--weight-bits", "four"], "--weight-bits takes numbers"),
    (["lm", "estimate", "no.txt", "-o", "x.arpa"], "no.txt"),
    (["lm", "perplexity", "no.arpa", "no.txt"], "no.txt"),
    (["lm", "perplexity", "no.arpa", "text.txt"], "no.arpa"),
    (["pack", "no.safetensors", "-o", "x"], "'no.safetensors' cannot be read"),
    (["pack", "text.txt", "-o", "x", "--whole", "--base", "whisper-tiny.en"], "--whole leaves out nothing; give one"),
    (["report", "nowhere", "-o", "x.html"], "there is no folder or file 'nowhere'"),
    (["report", "-o", "x.html"], "there is nothing to report"),
    (["report", "text.txt", "-o", "folder"], "folder is a folder"),
    (["report", "text.txt", "-o", "text.txt"], "is named twice"),
    (["report", "text.txt", "-o", "x.html", "--hardware", "papr", "--model", "queen-small"], "did you mean 'paper'"),
    (["report", "text.txt", "-o", "x.html", "--hardware", "paper"], "--hardware takes the model"),
    (["report", "text.txt", "-o", "x.html", "--model", "queen-small"], "--model is of a chip"),
    (
        ["report", "text.txt", "-o", "x.html", "--chip", "no.safetensors", "--model", "x"],
        "'no.safetensors' cannot be",
    ),
    (["train", "--config", "smal", "--output", "x"], "did you mean 'small'"),
    (["train", "--config", "small.toml", "--output", "x"], "did you mean 'small'"),
    (["train", "--config", "damaged.toml", "--output", "x"], "not valid TOML"),
    (["train", "--config", "nowhere.toml", "--output", "x"], "memrix corpus prepare nowhere"),
    (["train", "--config", "small", "--output", "x", "--threads", "0"], "at least 1"),
    (["transcribe"], "there is nothing to transcribe"),
    (["transcribe", "no.wav"], "'no.wav' cannot be read"),
    (["transcribe", "text.txt", "--hardware", "papr"], "did you mean 'paper'"),
    (["transcribe", "text.txt", "--chip-only"], "chip_only is a setting of a chip"),
    (["transcribe", "text.txt", "--trn", "text.txt"], "is named twice"),
]
HEAVY = {"torch", "transformers", "scipy", "matplotlib", "numpy", "lhotse", "lightning", "pandas", "sklearn"}
CALLED = """
import contextlib, io, json, sys
from memrix.cli.main import main
for arguments in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(arguments)
    print(json.dumps([code, said.getvalue(), [name for name in sys.argv[1:] if name in sys.modules]]))
"""


def called(calls, folder, heavy=HEAVY):
    """Exit code, what is said, and which heavy libraries are there, after each call in one process."""
    process = subprocess.run(
        [sys.executable, "-c", CALLED, *sorted(heavy)],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, "MEMRIX_CACHE": str(folder / "cache"), "COLUMNS": "300"},
    )
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_help_imports_nothing_heavy(tmp_path):
    for command, (code, said, heavy) in zip(
        COMMANDS, called([[*command, "--help"] for command in COMMANDS], tmp_path), strict=True
    ):
        assert (code, heavy) == (0, []), command
        assert "Usage: memrix" in said


def test_what_can_be_known_at_once_is_said_before_torch_is_imported(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("one two\n")
    (tmp_path / "damaged.toml").write_text("epochs = ")
    (tmp_path / "nowhere.toml").write_text('corpus = "nowhere"\n')
    found = called([arguments for arguments, _ in MISTAKES], tmp_path, HEAVY - {"numpy"})
    for (arguments, message), (code, said, heavy) in zip(MISTAKES, found, strict=True):
        assert (code, heavy) == (2, []), arguments
        assert message in said


@pytest.mark.parametrize("mistake", [["evalute"], ["evaluate", "--limits", "3"], ["evaluate", "--limit", "few"]])
def test_a_mistyped_command_is_explained_on_stderr(mistake, capsys):
    assert main(mistake) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert mistake[-1] in output.err or mistake[-2] in output.err


def test_help_lists_every_command_with_its_purpose_in_one_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    groups = {}
    for command in COMMANDS[1:]:
        groups.setdefault(tuple(command[:-1]), []).append(command[-1])
    for group, commands in groups.items():
        main([*group, "--help"])
        lines = capsys.readouterr().out.splitlines()
        for name in commands:
            assert [line for line in lines if re.match(rf"│ {name} +[A-Z].*\.? +│$", line)], (group, name)
