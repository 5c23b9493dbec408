"""The documentation site: links for both places, complete pages, drawings that are what their code draws."""

import dataclasses
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from memrix import Hardware
from memrix.crossbar.protocols import PROTOCOLS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(autouse=True)
def modules_of_docs(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))


def rewritten(text, document="docs/guide.md", page="guide.md"):
    from site_pages.documents import with_links

    problems = []
    return with_links(text, document, page, problems), problems


@pytest.mark.parametrize(
    ("link", "document", "page", "expected"),
    [
        ("[a](wires.md#b)", "docs/guide.md", "guide.md", "[a](wires.md#b)"),
        ("[a](../CONTRIBUTING.md#style)", "docs/guide.md", "guide.md", "[a](contributing.md#style)"),
        ("[a](docs/guide.md#seeds)", "README.md", "overview.md", "[a](guide.md#seeds)"),
        ("![a](docs/results.png)", "README.md", "overview.md", "![a](results.png)"),
        ("[a](../src/memrix/hardware/presets)", "docs/faq.md", "faq.md", "[a](reference/presets.md)"),
        ("[`a.py`](src/memrix/nn/linear.py)", "CONTRIBUTING.md", "contributing.md", "`a.py`"),
        ("[a](https://example.org/x)", "README.md", "overview.md", "[a](https://example.org/x)"),
        ("[a](#seeds)", "docs/guide.md", "guide.md", "[a](#seeds)"),
    ],
    ids=["page", "document", "from-readme", "picture", "generated", "source", "outside", "anchor"],
)
def test_links_of_the_repository_lead_to_pages(link, document, page, expected):
    assert rewritten(link, document, page) == (expected, [])


def test_a_link_to_nothing_is_a_problem():
    _, problems = rewritten("[a](nothing.md)")
    assert problems == ["docs/guide.md: nothing.md is neither a file nor a folder"]


def test_links_in_blocks_of_code_are_code():
    block = "```text\n[a](nothing.md)\n```"
    assert rewritten(block) == (block, [])


def test_lists_get_the_blank_line_and_the_indentation_of_the_site():
    from site_pages.documents import with_lists

    text = "Steps:\n1. One,\n   and more.\n2. Two\n\n```python\nif x:\n  y\n```"
    assert with_lists(text) == "Steps:\n\n1. One,\n    and more.\n2. Two\n\n```python\nif x:\n  y\n```"


def test_the_settings_page_has_every_setting_with_its_unit():
    from site_pages.settings import settings_page

    problems = []
    shown = set(re.findall(r"(?m)^\| `([\w.]+)` \|", settings_page(problems)))
    assert problems == []
    hardware = Hardware()
    expected = {field.name for field in dataclasses.fields(hardware)}
    for name in list(expected):
        part = getattr(hardware, name)
        if dataclasses.is_dataclass(part):
            expected.remove(name)
            expected |= {f"{name}.{field.name}" for field in dataclasses.fields(part)}
    for protocol in PROTOCOLS.values():
        expected |= {f"programming.{field.name}" for field in dataclasses.fields(protocol)}
    assert expected <= shown


def test_a_setting_without_a_unit_is_a_problem():
    from site_pages.settings import _section

    @dataclasses.dataclass
    class Part:
        """A part.

        Attributes:
            length: of something.
            width: width of it, in ohm.
        """

        length: float = 1.0
        width: float = 1.0

    problems = []
    rows = list(_section("Part", "part.", Part, problems))
    assert "| `part.width` | number | ohm | `1` | width of it, in ohm. |" in rows
    assert len(problems) == 1
    assert problems[0].startswith("Part.length: its docstring has no unit")


def test_docstrings_say_everything():
    from site_pages import names

    assert names.problems() == []


def test_a_docstring_that_leaves_out_an_argument_is_a_problem():
    from site_pages.names import told

    def scale(values, factor):
        """Scale values.

        Args:
            values: any.
        """

    module = types.SimpleNamespace(scale=scale)
    assert list(told(module, "scale")) == ["Args of its docstring has no 'factor'"]


def test_the_page_of_the_command_line_has_every_command():
    from site_pages.commands import commands_page

    text = commands_page()
    for command in ("demo", "device fit", "study sweep", "corpus prepare", "transcribe"):
        assert f" memrix {command}\n" in text
    assert "docs/" not in text


@pytest.mark.parametrize("name", ["flow", "cell", "slices", "converters", "seeds"])
def test_a_drawing_is_what_its_code_draws(name):
    import concepts

    assert concepts.PICTURES[name]() == (DOCS / f"{name}.svg").read_text(encoding="utf-8")


def test_the_tile_is_what_its_code_draws():
    import tile

    assert tile.drawing() == (DOCS / "tile.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_programmed_cells_are_what_the_code_draws():
    import concepts

    assert concepts.spread() == (DOCS / "spread.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path):
    """As `make docs` does, which `make test` calls."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    for page in (
        "index.html",
        "overview/index.html",
        "reference/settings/index.html",
        "reference/commands/index.html",
    ):
        assert (tmp_path / page).is_file()
