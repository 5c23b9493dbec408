import json

import pytest

from memrix.asr.experiment.settings import ExperimentSettings
from memrix.cli.main import EXIT_ERROR, main
from tests.asr.experiment.conftest import quick, tones  # noqa: F401


@pytest.mark.usefixtures("quick")
def test_one_call_from_corpus_to_table(tones, tmp_path, capsys, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        ExperimentSettings,
        "float_training",
        lambda self, whole=ExperimentSettings.float_training: whole(self).model_copy(update={"epochs": 2}),
    )
    options = ["--corpus", str(tones), "--weight-bits", "4,1.5", "--chips", "1", "--low-bit-epochs", "1"]
    options += ["--language-model", str(tones / "lm.arpa"), "--adc", "4/4,8/8", "--limit", "6"]
    options += ["--json", "figures.json", "--chart", "chart.png"]
    assert main(["experiment", *options]) == 0
    shown = capsys.readouterr().out
    for name in ("float", "quantized, 4 bit", "paper, ADC 8/8, 1.5 bit"):
        assert name in shown
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["corpus"]["utterances"] == 6
    assert [row["weight_bits"] for row in figures["summary"]] == [None, 4, 4, 4, 1.5, 1.5, 1.5]
    assert (tmp_path / "chart.png").stat().st_size > 1000
    folder = tmp_path / f"experiment-{tones.name}-small"
    assert "| quantized, 4 bit |" in (folder / "result.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weight-bits", "four"], "--weight-bits takes numbers"),
        (["--pre-cycles", "1.5"], "--pre-cycles takes whole numbers"),
        (["--low-bit-epochs", "1,2"], "one for each of the 6 numbers of bits"),
        (["--size", "smal"], "did you mean 'small'"),
        (["--chart", "chart.docx"], "chart"),
        (["--adc", "44"], "precision/range"),
        (["--threads", "0"], "at least 1"),
        (["--weight-noise", "20"], "weight_noise must be"),
        (["--weight-range", "min"], "weight_range must be one of"),
        (["--save-trained", "file"], "file is a file"),
        (["--output", "file/run"], "cannot be written"),
        (["--trained", "queen-small", "--epochs", "3"], "--epochs would change nothing"),
        (
            ["--trained", "queen-small", "--weight-noise", "0.1", "--low-bit-epochs", "2"],
            "--low-bit-epochs, --weight",
        ),
        (["--corpus", "nowhere"], "memrix corpus prepare nowhere"),
    ],
)
def test_bad_input_is_said(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "file").touch()
    assert main(["experiment", "paper", *options]) == EXIT_ERROR
    assert message in capsys.readouterr().err
