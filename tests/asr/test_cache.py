import pytest

from memrix.asr.files import cache_dir
from memrix.errors import AssetError


def test_the_variable_names_the_folder_which_is_created(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "a" / "b"))
    assert cache_dir() == tmp_path / "a" / "b"
    assert cache_dir().is_dir()


def test_without_the_variable_the_platform_decides(tmp_path, monkeypatch):
    monkeypatch.delenv("MEMRIX_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    folder = cache_dir()
    assert folder.name == "memrix"
    assert tmp_path in folder.parents


def test_a_folder_that_cannot_be_created_is_an_error_with_the_mend(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetError, match="set MEMRIX_CACHE to a folder"):
        cache_dir()
