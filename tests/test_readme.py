"""What the README shows must run as it stands."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_example_runs(example, capsys):
    exec(compile(example, "README.md", "exec"), {})
    assert "all on the chip" in capsys.readouterr().out


def test_there_is_an_example():
    assert "```python" in README
