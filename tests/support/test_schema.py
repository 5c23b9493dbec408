from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from memrix._support.building import build
from memrix._support.schema import Between, Count, read
from memrix.errors import SettingsError


@dataclass(frozen=True)
class Part:
    share: Annotated[float, Between(0.0, 1.0)]
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        if self.kind == "b" and self.share == 0:
            raise SettingsError("kind 'b' needs a share")


@dataclass(frozen=True)
class Whole:
    count: Count
    on: bool
    name: str
    pair: tuple[float, float]
    parts: dict[str, Part]
    last: Part | None = None
    names: tuple[str, ...] = ()


WHOLE = {"count": 3, "on": True, "name": "x", "pair": [1, 2.5], "parts": {"p": {"share": 0.5}}, "names": ["u", "v"]}


def test_a_tree_becomes_the_objects_that_annotations_say():
    assert read(Whole, WHOLE) == Whole(3, True, "x", (1, 2.5), {"p": Part(0.5)}, None, ("u", "v"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"count": -1}, "count must be an integer from 0 to 9223372036854775807, got -1"),
        ({"count": 1.0}, "count must be an integer, got 1.0"),
        ({"count": True}, "count must be an integer, got True"),
        ({"on": 1}, "on must be true or false, got 1"),
        ({"name": 5}, "name must be text that is valid Unicode, got 5"),
        ({"name": "\udc80"}, "name must be text that is valid Unicode"),
        ({"pair": [1, 2, 3]}, "pair must be a list of 2, got [1, 2, 3]"),
        ({"pair": [1, float("nan")]}, "pair.1 must be a finite number, got nan"),
        ({"pair": [1, 10**400]}, "pair.1 must be a finite number, got 1000"),
        ({"pair": "12"}, "pair must be a list, got '12'"),
        ({"parts": {"p": {"share": 1.5}}}, "parts.p.share must be a number from 0.0 to 1.0, got 1.5"),
        ({"parts": {"p": {}}}, "parts.p.share is missing"),
        ({"parts": {"p": {"share": 1, "knd": "b"}}}, "there is no field 'parts.p.knd' (did you mean 'kind'?)"),
        ({"parts": [1]}, "parts must be a table, got [1]"),
        ({"last": {"share": 1, "kind": "c"}}, "last.kind must be one of 'a', 'b', got 'c'"),
        ({"last": {"share": 0, "kind": "b"}}, "last: kind 'b' needs a share"),
        ({"last": 7}, "last must be a table, got 7"),
        ({"names": ["u", 7]}, "names.1 must be text that is valid Unicode, got 7"),
    ],
)
def test_what_a_field_cannot_hold_is_told_with_its_path_value_and_what_is_expected(change, problem):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared below
        read(Whole, {**WHOLE, **change})
    assert str(caught.value).startswith(problem)


def test_every_problem_is_told_at_once():
    with pytest.raises(ValueError, match=r"(?s)count must.*name must.*pair is missing") as caught:
        read(Whole, {"name": 1, "on": True, "count": "x", "parts": {}, "pair ": 1})
    assert "there is no field 'pair '" in str(caught.value)


def test_a_complete_tree_has_even_the_fields_that_have_defaults():
    with pytest.raises(ValueError, match=r"(?s)parts.p.kind is missing.*last is missing"):
        read(Whole, WHOLE, complete=True)
    part = {"share": 0.5, "kind": "a"}
    assert read(Whole, {**WHOLE, "parts": {"p": part}, "last": part}, complete=True).last == Part(0.5)


@dataclass(frozen=True)
class Settings:
    share: float = 0.5
    kind: Literal["a", "b"] = "a"
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise SettingsError(f"part.count must be at least 1, got {self.count}")


def test_settings_are_built_with_all_that_is_wrong():
    problems: list[str] = []
    assert build(Settings, {"share": "x", "knd": 1, "count": 0}, "part", problems) is None
    assert problems == [
        "part.share must be a finite number, got 'x'",
        "there is no setting 'part.knd' (did you mean 'kind'?)",
        "part.count must be at least 1, got 0",
    ]
    assert build(Settings, {"share": 1, "count": 2}, "part", problems) == Settings(1, "a", 2)
