import json
from dataclasses import replace

import pytest

from memrix.cli import demo
from memrix.cli.main import main

WHISPER = pytest.param([], demo.WHISPER, id="whisper")
CONFORMER = pytest.param(["--conformer"], demo.CONFORMER, id="conformer")


@pytest.mark.parametrize(("options", "shown"), [WHISPER, CONFORMER])
def test_the_demo_says_what_it_will_do_before_it_starts(options, shown, tmp_path, monkeypatch, capsys):
    # A cache that cannot be made stops the demo where the work would begin.
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "file"))
    monkeypatch.chdir(tmp_path)
    assert main(["demo", *options]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.index(f"about {shown.minutes} minutes") < said.index("Error: the cache folder")


def test_the_demo_promises_to_be_short():
    assert demo.WHISPER.minutes <= 3
    assert demo.CONFORMER.minutes <= 3


def test_a_recognizer_that_is_not_installed_is_named(tmp_path, monkeypatch, capsys):
    settings = {**demo.WHISPER.settings, "model": "whisper-unknown"}
    monkeypatch.setattr(demo, "WHISPER", replace(demo.WHISPER, settings=settings))
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "whisper-unknown is not installed" in said
    assert "memrix demo --conformer" in said


def run(options, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", *options]) == 0
    name = "demo-conformer" if options else "demo"
    assert (tmp_path / "results" / f"{name}.png").is_file()
    shown = capsys.readouterr().out
    assert main(["demo", *options]) == 0
    assert "are kept from an earlier call" in capsys.readouterr().err
    return json.loads((tmp_path / "results" / f"{name}.json").read_text()), shown


@pytest.mark.slow
def test_low_bit_whisper_recognizes_held_out_characters_on_chips(tmp_path, monkeypatch, capsys):
    result, shown = run([], tmp_path, monkeypatch, capsys)
    floating, quantized, *chips = result["summary"]
    assert floating["wer"] < 0.12
    assert [row["hardware"] for row in chips] == ["physical", "realistic"]
    assert all(row["wer"] < 2 * floating["wer"] for row in (quantized, *chips))
    assert all(0 < row["costs"]["energy"] < 1 for row in chips)
    assert result["transcripts"][0]["reference"] in shown
    assert "realistic, 4 bit, chip 0: " in shown


@pytest.mark.slow
def test_the_conformer_recognizes_held_out_characters_on_chips(tmp_path, monkeypatch, capsys):
    result, shown = run(["--conformer"], tmp_path, monkeypatch, capsys)
    floating, *others = result["summary"]
    assert floating["wer"] < 0.45
    assert result["corpus"]["utterances"] == demo.CONFORMER.settings["limit"]
    assert [row["weight_bits"] for row in others] == [4, 4, 4, 3, 3, 3]
    assert all(row["wer"] < 2 * floating["wer"] for row in others)
    assert "tuned, 3 bit" in shown
