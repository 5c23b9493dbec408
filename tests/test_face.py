"""Everything that a user needs has a name in memrix: dir, help, completion and type checkers show it."""

import inspect
import pydoc
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import memrix

PUBLIC = [name for name in memrix.__all__ if not name.startswith("__")]
EXAMPLE = textwrap.dedent(re.search(r"(?m)^    import torch, memrix\n(?:^    .*\n|\n)+", memrix.__doc__)[0])


def test_dir_shows_what_is_public_and_nothing_else():
    assert [name for name in dir(memrix) if not name.startswith("_")] == PUBLIC
    assert {"Hardware", "ADC", "WriteVerify", "Quantization", "Seeds", "program", "SettingsError"} <= set(PUBLIC)
    assert all(getattr(memrix, name).__doc__ for name in PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_docstring_names_what_is_public(name):
    room = getattr(memrix, name) is sys.modules.get(f"memrix.{name}")
    assert re.search(rf"``memrix\.{name}``" if room else rf"``{name}``", memrix.__doc__)


def test_help_and_the_guide_list_the_same_functions_in_the_same_groups():
    functions = {name for name in PUBLIC if inspect.isfunction(getattr(memrix, name))} - {"register_protocol"}
    head = (Path(__file__).parents[1] / "docs" / "guide.md").read_text(encoding="utf-8").partition("\n## ")[0]
    groups = [re.findall(r"`memrix\.(\w+)`", line.split("|")[1]) for line in head.splitlines() if "| `" in line]
    assert sorted(name for group in groups for name in group) == sorted(functions)
    listed = re.search(r"(?s)- Functions of a model: (.*?)\. Their settings", memrix.__doc__)[1]
    assert [re.findall(r"``(\w+)``", group) for group in listed.split(";")] == groups


def test_help_documents_classes_and_verbs():
    text = pydoc.plain(pydoc.render_doc(memrix))
    for heading in (
        r"class ADC\(",
        r"class Hardware\(",
        r"class SettingsError\(",
        r"program\(model: ",
        r"load\(path: ",
    ):
        assert re.search(rf"(?m)^    {heading}", text), heading


def test_the_example_of_the_docstring_runs(capsys):
    exec(EXAMPLE, {})
    assert "all on the chip" in capsys.readouterr().out


def test_torch_is_imported_by_the_first_name_that_needs_it():
    code = """
        import sys, memrix
        assert memrix.__version__ and dir(memrix)
        assert "torch" not in sys.modules and "numpy" not in sys.modules
        memrix.ADC()
        assert "torch" in sys.modules
        assert memrix.device.__name__ == "memrix.device"
        try:
            memrix.nonsense
        except AttributeError as error:
            assert str(error) == "module 'memrix' has no attribute 'nonsense'"
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_a_chip_runs_without_the_compiler_of_torch():
    """It takes as long to import as torch itself."""
    script = (
        "import sys, torch, memrix; model, x = torch.nn.Linear(8, 4), torch.randn(3, 8); "
        "memrix.calibrate(model, [x], memrix.Hardware()); memrix.program(model, memrix.Hardware())(x); "
        "print('torch._dynamo' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
