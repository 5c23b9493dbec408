"""Former names give the present objects, and warn."""

import dataclasses
import pickle
from dataclasses import dataclass, field

import pytest

import memrix.crossbar
import memrix.nn
from memrix._support.building import build
from memrix._support.renamed import former_names, formerly, with_former_names
from memrix._support.schema import read
from memrix.crossbar import DAC, PreCycled
from memrix.hardware import Hardware


@with_former_names
@dataclass(frozen=True)
class Settings:
    count: int = 0
    rate: float = field(default=1.0, metadata=formerly("speed"))
    shade: str = field(default="gray", metadata=formerly(values={"grey": "gray"}))


def test_a_field_is_given_by_its_former_name():
    with pytest.warns(DeprecationWarning, match=r"Settings.speed was renamed: use Settings.rate") as warned:
        settings = Settings(1, speed=2.0)
    assert settings == Settings(1, 2.0)
    assert warned[0].filename == __file__


def test_a_field_is_read_by_its_former_name():
    with pytest.warns(DeprecationWarning, match=r"Settings.speed was renamed: use Settings.rate"):
        assert Settings(1, 2.0).speed == 2.0


@pytest.mark.parametrize("arguments", [{"shade": "grey"}, (1, 1.0, "grey")])
def test_a_former_value_becomes_the_present_one(arguments):
    with pytest.warns(DeprecationWarning, match="shade='grey' was renamed: use shade='gray'"):
        settings = Settings(**arguments) if isinstance(arguments, dict) else Settings(*arguments)
    assert settings.shade == "gray"


@pytest.mark.parametrize("arguments", [((), {"rate": 1.0, "speed": 2.0}), ((1,), {"count": 1}), (range(4), {})])
def test_wrong_arguments_are_refused_as_before(arguments):
    with pytest.raises(TypeError):
        Settings(*arguments[0], **arguments[1])


def test_files_may_have_former_names_without_a_warning(recwarn):
    table, problems = {"count": 1, "speed": 2.0, "shade": "grey"}, []
    assert read(Settings, table) == build(Settings, table, "settings", problems) == Settings(1, 2.0)
    assert not problems
    assert not recwarn
    with pytest.raises(ValueError, match="there is no field 'speed'"):
        read(Settings, {"rate": 1.0, "speed": 2.0})


def test_present_names_do_not_warn(recwarn):
    settings = dataclasses.replace(Settings(1, rate=2.0), count=3)
    assert pickle.loads(pickle.dumps(settings)).rate == 2.0
    assert not recwarn


def test_the_british_spelling_of_a_linearizing_dac_warns():
    with pytest.warns(DeprecationWarning, match="use levels='linearizing'"):
        assert DAC(levels="linearising") == DAC(levels="linearizing")


def test_the_former_name_of_the_abs_max_range_warns():
    with pytest.warns(DeprecationWarning, match="use weight_range='abs-max'"):
        assert Hardware(weight_range="min-max") == Hardware(weight_range="abs-max")


def test_the_former_name_of_pre_cycling_warns():
    with pytest.warns(DeprecationWarning, match="use programming='pre-cycled'"):
        assert Hardware(programming="cycled") == Hardware(programming=PreCycled())
    with pytest.warns(DeprecationWarning, match="use programming='pre-cycled'"):
        assert Hardware.from_dict({"programming": {"protocol": "cycled", "cycles": 3}}).programming == PreCycled(3)
    with pytest.warns(DeprecationWarning, match="use memrix.crossbar.PreCycled"):
        assert memrix.crossbar.Cycled is PreCycled


def test_a_former_name_of_a_module_gives_the_present_object():
    get = former_names("memrix.nn", {"OldLayer": "DecomposedLayer", "Elsewhere": "memrix.hardware.Hardware"})
    with pytest.warns(DeprecationWarning, match=r"memrix.nn.OldLayer was renamed: use memrix.nn.DecomposedLayer"):
        assert get("OldLayer") is memrix.nn.DecomposedLayer
    with pytest.warns(DeprecationWarning, match=r"use memrix.hardware.Hardware"):
        assert get("Elsewhere").__name__ == "Hardware"
    with pytest.raises(AttributeError, match=r"module 'memrix.nn' has no attribute 'Nothing'"):
        get("Nothing")
