import pytest

from memrix.cli.outputs import check_output
from memrix.errors import DataError


def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"result\.json cannot be written .*; name another place"):
        check_output(tmp_path / "file" / "result.json")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="is a folder; name a file in it"):
        check_output(tmp_path)


def test_missing_folders_are_made(tmp_path):
    check_output(tmp_path / "a" / "b" / "result.json")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert not list((tmp_path / "a" / "b").iterdir())


def test_a_chart_of_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"end its name in \.png, \.svg"):
        check_output(tmp_path / "chart.bmp", (".png", ".svg"))
