import subprocess
import sys

import pytest

from memrix.cli.main import main
from tests.asr.search.test_estimation import install
from tests.asr.search.tiny import ARPA, write_arpa


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("tea pot\ntea eat a\n\npot\n")
    return file


@pytest.fixture(autouse=True)
def _program(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    install(tmp_path, "lmplz", monkeypatch)


@pytest.mark.parametrize("command", [[], ["estimate"], ["perplexity"]])
def test_help_is_there(command, capsys):
    assert main(["lm", *command, "--help"]) == 0
    assert "Usage: memrix lm" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from memrix.cli.main import main\n"
        "for command in ('estimate', 'perplexity'):\n"
        "    main(['lm', command, '--help'])\n"
        "heavy = {'torch', 'flashlight', 'scipy', 'numpy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")


def test_a_model_is_estimated_and_foresees_its_text(text, tmp_path, capsys):
    output, more = tmp_path / "made" / "lm.arpa.gz", tmp_path / "more.txt"
    more.write_text("more tea")
    assert main(["lm", "estimate", str(text), str(more), "-o", str(output), "--order", "2"]) == 0
    printed = capsys.readouterr()
    rows = dict(line.split(maxsplit=1) for line in printed.out.splitlines())
    assert rows["sentences"] == "4"
    assert rows["words"] == "8"
    assert rows["1-grams"] == "8"
    assert rows["smoothing"] == "modified Kneser-Ney"
    assert str(output) in printed.err
    assert main(["lm", "perplexity", str(output), str(text)]) == 0
    assert "unknown words       0 (0.00 %)" in capsys.readouterr().out


def test_a_perplexity_tells_of_unknown_words(text, tmp_path, capsys):
    assert main(["lm", "perplexity", str(write_arpa(tmp_path)), str(text)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "unknown words       2 (33.33 %)" in printed.out
    assert "most often          pot 2" in printed.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["lm", "estimate", "-o", "{folder}/lm.arpa"], "no text is given"),
        (["lm", "estimate", "{folder}/no.txt", "{folder}/none", "-o", "{folder}/lm.arpa"], "none: No such file"),
        (["lm", "estimate", "{text}", "-o", "{folder}/lm.arpa", "--order", "7"], "is 2 to 6, got 7"),
        (["lm", "estimate", "{text}", "-o", "{folder}/lm.arpa", "--order", "four"], "order"),
        (["lm", "estimate", "{text}", "-o", "{folder}/lm.bin"], "must end in .arpa or .arpa.gz"),
        (["lm", "estimate", "{text}", "-o", "{text}/lm.arpa"], "cannot be written"),
        (["lm", "estimate", "{empty}", "-o", "{folder}/lm.arpa"], "got no words"),
        (["lm", "estimate", "{text}"], "output"),
        (["lm", "perplexity", "{folder}/no.arpa", "{text}"], "no language model can be read from"),
        (["lm", "perplexity", "{text}", "{text}"], "is no language model that is known"),
        (["lm", "perplexity", "{arpa}", "{folder}/no.txt"], "no.txt: No such file"),
        (["lm", "perplexity", "{arpa}", "{empty}"], "got no words"),
    ],
)
def test_bad_input_is_refused_with_a_mend(arguments, expected, text, tmp_path, capsys):
    empty = tmp_path / "empty.txt"
    empty.write_text(" \n")
    places = {"folder": tmp_path, "text": text, "empty": empty, "arpa": write_arpa(tmp_path)}
    assert main([argument.format(**places) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert expected in printed.err
    assert not (tmp_path / "lm.arpa").exists()


def test_a_text_is_not_overwritten(tmp_path, capsys):
    file = tmp_path / "lm.arpa"
    file.write_text(ARPA)
    assert main(["lm", "estimate", str(file), "-o", str(file)]) == 2
    assert "is named twice" in capsys.readouterr().err
    assert file.read_text() == ARPA
