import json

import pytest

from memrix.cli import demo
from memrix.cli.main import main


@pytest.mark.parametrize(
    ("options", "minutes"), [([], demo.MINUTES), (["--whisper"], demo.WHISPER_MINUTES)], ids=["conformer", "whisper"]
)
def test_the_demo_says_what_it_will_do_before_it_starts(options, minutes, tmp_path, monkeypatch, capsys):
    # A cache that cannot be made stops the demo where the work would begin.
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "file"))
    monkeypatch.chdir(tmp_path)
    assert main(["demo", *options]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.index(f"about {minutes} minutes") < said.index("Error: the cache folder")


def test_the_demo_promises_to_be_short():
    assert demo.MINUTES <= 3
    assert demo.WHISPER_MINUTES <= 10


@pytest.mark.slow
def test_the_demo_recognizes_held_out_characters_on_chips(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    result = json.loads((tmp_path / "results" / "demo.json").read_text())
    floating, *others = result["summary"]
    assert floating["wer"] < 0.45
    assert result["corpus"]["utterances"] == demo.UTTERANCES
    assert [row["weight_bits"] for row in others] == [4, 4, 4, 3, 3, 3]
    assert all(row["wer"] < 2 * floating["wer"] for row in others)
    assert (tmp_path / "results" / "demo.png").is_file()
    assert "tuned, 3 bit" in capsys.readouterr().out
    assert main(["demo"]) == 0
    assert "are kept from an earlier call" in capsys.readouterr().err


@pytest.mark.slow
def test_whisper_recognizes_real_speech_and_leaves_its_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--whisper"]) == 0
    result = json.loads((tmp_path / "results" / "demo-whisper.json").read_text())
    baseline, *others = result["rows"]
    assert baseline["wer"] < 0.08
    assert baseline["words"] >= 100
    assert len(others) == 2 * len(demo.WHISPER_WEIGHT_BITS)
    assert (tmp_path / "results" / "demo-whisper.png").is_file()
    assert "float" in capsys.readouterr().out
