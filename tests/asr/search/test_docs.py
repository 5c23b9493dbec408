"""What docs/search.md shows must run as it stands."""

import re
from pathlib import Path

import torch

from tests.asr.search.test_estimation import install

DOCUMENT = (Path(__file__).parents[3] / "docs" / "search.md").read_text(encoding="utf-8")


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    install(tmp_path, "lmplz", monkeypatch)
    monkeypatch.chdir(tmp_path)
    heard = torch.tensor([[5, 0, 1, 3, 4, 0, 2, 3, 4], [5, 1, 3, 4, 0, 0, 0, 0, 0]])
    values = {
        "log_probabilities": torch.nn.functional.one_hot(heard, 6).float().mul(9).log_softmax(dim=2),
        "lengths": torch.tensor([9, 5]),
        "references": ["a cat sat", "a cat"],
    }
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    exec(compile(example, "docs/search.md", "exec"), values)
    assert capsys.readouterr().out == "['a cat sat', 'a cat']\n"
