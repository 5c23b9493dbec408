import contextlib

import pytest

from memrix._support.documents import file_path, parse_json, parse_toml, read_text
from memrix.errors import CheckpointError
from tests.mutations import NASTY_TEXTS


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": {"b": 1, "b": 2}}', "'a.b' is given twice"),
        ('{"a": [0, ' + "9" * 5000 + "]}", "'a.1' is a number of 5000 digits"),
        ('{"a": -' + "9" * 401 + "}", "'a' is a number of 401 digits"),
        ("[" * 60 + "]" * 60, "nested more than 50 levels deep"),
        ("[" * 100_000, "nested more than 50 levels deep"),
        ('{"a": 1', "delimiter"),
    ],
)
def test_json_that_no_file_of_memrix_holds_is_refused_with_the_field(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = " + "9" * 5000, "digits"),
        ("a.b = 0x" + "f" * 5000, "'a.b' is a number of 20000 bits"),
        ("a = " + "[" * 100_000, "nested more than 50 levels deep"),
        ("a = 1\na = 2", "overwrite"),
    ],
)
def test_toml_that_no_file_of_memrix_holds_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse_toml(text)


@pytest.mark.parametrize("parse", [parse_json, parse_toml])
@pytest.mark.parametrize("text", NASTY_TEXTS.values(), ids=NASTY_TEXTS)
def test_any_text_is_a_tree_or_a_value_error(parse, text):
    with contextlib.suppress(ValueError):
        parse(text)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "text").write_text("é", encoding="utf-8-sig")
    assert read_text(tmp_path / "text") == "é"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a\0b", r"the path of a chip must not hold NUL .*'a\\x00b'"),
        ("a\ud800b", r"the path of a chip must be text that the file system can encode, got 'a\\ud800b'"),
        (None, "the path of a chip must be a string or a Path, got None"),
        (b"chip", "must be a string or a Path"),
    ],
)
def test_paths_that_no_file_can_have_are_named(path, problem):
    with pytest.raises(CheckpointError, match=problem):
        file_path(path, CheckpointError, "the path of a chip")
