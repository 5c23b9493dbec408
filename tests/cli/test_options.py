import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import pytest
from cyclopts import App
from rich.console import Console

from memrix._support.preset_names import PRESETS
from memrix._support.renamed import formerly
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.cli.main import app
from memrix.cli.options import field_help, listed, option_of, options_from
from memrix.device.fitting.settings import FitSettings
from memrix.errors import SettingsError

LONG = [
    (["experiment"], ExperimentSettings, ()),
    (["evaluate"], EvaluationSettings, ()),
    (["device", "fit"], FitSettings, ()),
]
OPTIONS = [(command, settings, f) for command, settings, left in LONG for f in fields(settings) if f.name not in left]
NAMES = [f"{settings.__name__}.{f.name}" for _, settings, f in OPTIONS]


def arguments_of(command):
    """Options of a command by their names, with their help texts."""
    _, apps, _ = app.parse_commands(command)
    return {name: argument for argument in apps[-1].assemble_argument_collection() for name in argument.names}


def shown_help(command, capsys):
    app([*command, "--help"], console=Console(width=2000), result_action="return_value")
    return capsys.readouterr().out


@pytest.mark.parametrize(("command", "settings", "of"), OPTIONS, ids=NAMES)
def test_a_field_is_an_option_with_its_text_and_its_default(command, settings, of, capsys):
    argument = arguments_of(command)[option_of(of.name)]
    assert argument.parameter.help == field_help(settings)[of.name]
    default = of.default if of.default_factory is dataclasses.MISSING else tuple(of.default_factory())
    (line,) = (line for line in shown_help(command, capsys).splitlines() if f" {option_of(of.name)} " in line)
    # Backquotes are typeset.
    assert field_help(settings)[of.name].replace("`", "") in line
    shown = re.search(r"\[default: (.*)\]", line)
    if default is None or default is False or default == ():
        assert shown is None
    else:
        assert shown[1] == (",".join(map(str, default)) if isinstance(default, tuple) else str(default))


@pytest.mark.parametrize(("command", "settings", "left"), LONG, ids=[settings.__name__ for _, settings, _ in LONG])
def test_the_command_says_no_text_of_a_field_again(command, settings, left):
    _, apps, _ = app.parse_commands(command)
    documented = re.findall(r"^ {0,4}(\w+)$", apps[-1].default_command.__doc__, re.MULTILINE)
    assert set(documented).isdisjoint(f.name for f in fields(settings))


@pytest.mark.parametrize("settings", [ExperimentSettings, EvaluationSettings])
def test_the_text_of_a_hardware_lists_every_preset(settings):
    (listing,) = re.findall(r"presets? \((.*?)\)", field_help(settings)["hardware"])
    assert sorted(listing.split(", ")) == sorted(PRESETS)


@pytest.mark.parametrize("old", ["--coarse-epochs", "--dictionary", "--recogniser", "--size", "--trained", "--wear"])
def test_a_former_option_is_hidden(old, capsys):
    assert old in arguments_of(["experiment"])
    assert f"{old} " not in shown_help(["experiment"], capsys)


@dataclass(frozen=True)
class Kept:
    """What is kept.

    Attributes:
        size: of `all`,
            over two lines.
        bits: how many.
        names: of layers.
        renames: of columns.
        strict: or not.
        source: where from.
    """

    size: int = 3
    bits: tuple[float, ...] = (8, 1.5)
    names: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    strict: bool = field(default=False, metadata=formerly("severe"))
    source: str | None = None


def given_by(*tokens, settings=Kept, **options):
    found = []
    command = App()

    @command.default
    @options_from(settings, **options)
    def keep(given, place: str = "here", /, *, own: int = 1) -> None:
        """Keep.

        Parameters
        ----------
        own
            Option of the command.
        """
        found.append((given, place, own))

    command(tokens, exit_on_error=False, result_action="return_value")
    return found[0]


def test_a_text_may_have_several_lines():
    assert field_help(Kept)["size"] == "Of `all`, over two lines."
    assert list(field_help(Kept)) == [f.name for f in fields(Kept)]


def test_fields_that_are_not_given_are_left_to_the_dataclass():
    assert given_by() == ({}, "here", 1)


def test_every_kind_of_field_is_typed():
    tokens = ["there", "--size", "4", "--bits", "8,1.5", "--names", "a, b", "--names", "c", "--strict"]
    tokens += ["--renames", "x, y=z", "--source", "file", "--own", "2"]
    given, place, own = given_by(*tokens)
    assert (place, own) == ("there", 2)
    assert given == {
        "size": 4,
        "bits": (8, 1.5),
        "names": ("a", "b", "c"),
        "strict": True,
        "renames": ("x, y=z",),
        "source": "file",
    }
    assert [type(bits) for bits in given["bits"]] == [int, float]


def test_an_empty_list_is_one_that_was_given():
    assert given_by("--names", "")[0] == {"names": ()}


def test_a_former_name_works_with_a_note(capsys):
    given, _, _ = given_by("--old-bits", "4", former={"old_bits": "bits"})
    assert given == {"bits": (4,)}
    assert "--old-bits was renamed: use --bits" in capsys.readouterr().err


def test_a_former_name_of_a_field_is_one_of_its_option(capsys):
    assert given_by("--severe")[0] == {"strict": True}
    assert "--severe was renamed: use --strict" in capsys.readouterr().err


def test_a_former_name_and_the_present_one_are_a_contradiction():
    with pytest.raises(SettingsError, match="--old-bits is the former name of --bits"):
        given_by("--old-bits", "4", "--bits", "3", former={"old_bits": "bits"})


def test_a_field_that_cannot_be_typed_is_named():
    @dataclass
    class Nested:
        """Of all.

        Attributes:
            inner: another.
        """

        inner: ExperimentSettings | None = None

    with pytest.raises(TypeError, match="'inner'"):
        given_by(settings=Nested)
    assert given_by(settings=Nested, without=("inner",))[0] == {}


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [("8,6,5,4", int, (8, 6, 5, 4)), ("3", int, (3,)), (" 8, 2 ", int, (8, 2)), ("2,1.5", float, (2, 1.5))],
)
def test_lists_are_separated_by_commas(text, kind, values):
    assert listed("--bits", [text], kind) == values


@pytest.mark.parametrize("text", ["8;4", "1e1", "²", "4.5", "9" * 5000])
def test_what_is_no_list_of_whole_numbers_is_refused(text):
    with pytest.raises(SettingsError, match="--bits takes whole numbers separated by commas, got"):
        listed("--bits", [text], int)


@pytest.mark.parametrize("settings", [settings for _, settings, _ in LONG])
def test_settings_are_read_without_torch(settings):
    code = (
        f"import json, sys, {settings.__module__}\n"
        "print(json.dumps([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules]))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(process.stdout) == []
