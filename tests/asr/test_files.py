"""Files that are whole or not there, and what is said where they cannot be."""

import errno
import os
from pathlib import Path

import pytest

from memrix.asr.files import write_whole
from memrix.errors import DataError


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    write_whole(tmp_path / "a", b"old")
    write_whole(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_file_that_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError):
        write_whole(tmp_path / "a", "no bytes")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_the_file_before_is_kept(tmp_path, monkeypatch, number):
    def full(path, target):
        raise OSError(number, os.strerror(number))

    write_whole(tmp_path / "a", b"old")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(
        DataError, match=rf"{tmp_path}/a cannot be written \({os.strerror(number)}\); free some space"
    ):
        write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for place in ("folder", "gone/a", "file/a"):
        with pytest.raises(DataError, match=rf"{place} cannot be written \(.*; name another place"):
            write_whole(tmp_path / place, b"content")


def test_a_device_stays_what_it_is_and_a_link_is_followed(tmp_path):
    write_whole(Path(os.devnull), b"content")
    assert not Path(os.devnull).is_file()
    (tmp_path / "a").symlink_to(tmp_path / "b")
    write_whole(tmp_path / "a", b"content")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "b").read_bytes() == b"content"
