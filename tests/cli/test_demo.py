import json

import pytest

from memrix.cli import demo
from memrix.cli.main import main


def test_the_demo_says_what_it_will_do_before_it_starts(tmp_path, monkeypatch, capsys):
    # A cache that cannot be made stops the demo where the work would begin.
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "file"))
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.index(f"about {demo.MINUTES} minutes") < said.index("Error: the cache folder")


def test_the_demo_promises_no_more_than_ten_minutes():
    assert demo.MINUTES <= 10


@pytest.mark.slow
def test_the_demo_recognises_real_speech_and_leaves_its_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    result = json.loads((tmp_path / "results" / "demo.json").read_text())
    baseline, *others = result["rows"]
    assert baseline["wer"] < 0.08
    assert baseline["words"] >= 100
    assert len(others) == 2 * len(demo.WEIGHT_BITS)
    assert (tmp_path / "results" / "demo.png").is_file()
    assert "float" in capsys.readouterr().out
