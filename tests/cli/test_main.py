import subprocess
import sys

import pytest

from memrix.cli.main import main


@pytest.mark.parametrize("command", [[], ["demo"], ["evaluate"], ["corpus", "prepare"], ["corpus", "show"]])
def test_help_is_there(command, capsys):
    assert main([*command, "--help"]) == 0
    assert "Usage: memrix" in capsys.readouterr().out


def test_version_is_that_of_the_distribution(capsys):
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == version("memrix") + "\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from memrix.cli.main import main\n"
        "main(['evaluate', '--help'])\n"
        "heavy = {'torch', 'transformers', 'scipy', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.parametrize("mistake", [["evalute"], ["evaluate", "--limits", "3"], ["evaluate", "--limit", "few"]])
def test_a_mistyped_command_is_explained_on_stderr(mistake, capsys):
    assert main(mistake) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert mistake[-1] in output.err or mistake[-2] in output.err
