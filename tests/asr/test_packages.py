import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from memrix.asr.packages import fetch_debian, fetch_wheel
from memrix.errors import AssetError

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
UNREACHABLE = "http://127.0.0.1:9/simple"


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEMRIX_CACHE", str(folder))
    return folder


@pytest.fixture
def offline_pip(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", UNREACHABLE)
    monkeypatch.setenv("PIP_RETRIES", "0")


@pytest.fixture
def index(tmp_path, offline_pip, monkeypatch) -> Path:
    """A folder that pip takes wheels from; it holds toy 1.0."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "toy-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("toy.py", "")
        archive.writestr("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        archive.writestr("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("toy-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_is_fetched_once_and_then_taken_from_the_cache(index, cache):
    wheel = index / "toy-1.0-py3-none-any.whl"
    expected = sha256(wheel)
    first = fetch_wheel("toy==1.0", expected)
    wheel.unlink()
    assert fetch_wheel("toy==1.0", expected) == first
    assert sha256(first) == expected
    assert first.parent == cache / "wheels" / "toy-1.0"


def test_a_wheel_with_another_hash_is_refused_and_not_kept(index, cache):
    with pytest.raises(
        AssetError, match=f"has SHA-256 {sha256(next(index.iterdir()))}, expected {'0' * 64}; .*not kept"
    ):
        fetch_wheel("toy==1.0", "0" * 64)
    assert not list(cache.rglob("*.whl"))


def test_a_cached_wheel_that_was_changed_is_refused(index):
    expected = sha256(next(index.iterdir()))
    wheel = fetch_wheel("toy==1.0", expected)
    wheel.write_bytes(b"changed")
    with pytest.raises(AssetError, match=f"expected {expected}; delete .*toy-1.0 and run again"):
        fetch_wheel("toy==1.0", expected)


def test_a_wheel_that_does_not_exist_is_an_error_with_pips_last_line(index):
    with pytest.raises(AssetError, match=r"No matching distribution found for toy==2\.0; check the network"):
        fetch_wheel("toy==2.0", "0" * 64)


def test_without_a_network_a_wheel_is_an_error_with_the_mend(offline_pip, cache):
    with pytest.raises(AssetError, match=f"could not download toy==1.0: .*; check the network .*{cache}"):
        fetch_wheel("toy==1.0", "0" * 64)


def test_a_python_without_pip_is_an_error_with_the_mend(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho python: No module named pip >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(AssetError, match=r"has no pip; run .* -m ensurepip"):
        fetch_wheel("toy==1.0", "0" * 64)


@pytest.mark.parametrize("requirement", ["toy", "toy>=1.0", "toy==1.0 ; os_name", "../toy==1.0", "--help"])
def test_a_requirement_without_an_exact_version_is_refused(requirement):
    with pytest.raises(AssetError, match="expected a name and an exact version"):
        fetch_wheel(requirement, "0" * 64)


@pytest.fixture
def archive(tmp_path) -> Path:
    """A Debian package, toy 1.0-1, that holds one file."""
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: toy\nVersion: 1.0-1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: toy\n"
    )
    (tree / "usr").mkdir()
    (tree / "usr" / "toy.txt").write_text("hello")
    file = tmp_path / "toy_1.0-1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(tree), str(file)], check=True, capture_output=True)
    return file


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """Puts programs of the given shell lines before those of the system."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def install(**programs: str) -> None:
        for name, lines in programs.items():
            program = folder / name.replace("_", "-")
            program.write_text(f"#!/bin/sh\n{lines}\n")
            program.chmod(0o755)

    return install


@needs_dpkg
def test_a_debian_package_is_unpacked_once_and_then_taken_from_the_cache(archive, apt, cache):
    known = {"1.0-1": sha256(archive)}
    apt(apt_get=f"cp {archive} .", apt_cache="exit 1")
    tree = fetch_debian("toy", known)
    apt(apt_get="exit 1")
    assert fetch_debian("toy", known) == tree == cache / "debian" / "toy_1.0-1"
    assert (tree / "usr" / "toy.txt").read_text() == "hello"


@needs_dpkg
def test_a_debian_package_with_another_hash_is_refused_and_not_kept(archive, apt, cache):
    apt(apt_get=f"cp {archive} .", apt_cache="exit 1")
    with pytest.raises(AssetError, match=f"has SHA-256 {sha256(archive)}, expected {'0' * 64}; .*not kept"):
        fetch_debian("toy", {"1.0-1": "0" * 64})
    assert not list(cache.rglob("toy*"))


@needs_dpkg
def test_an_unpacked_debian_package_of_another_hash_is_refused(archive, apt):
    apt(apt_get=f"cp {archive} .", apt_cache="exit 1")
    fetch_debian("toy", {"1.0-1": sha256(archive)})
    with pytest.raises(AssetError, match=f"expected {'0' * 64}; delete that folder"):
        fetch_debian("toy", {"1.0-1": "0" * 64})


@needs_dpkg
def test_a_version_that_is_not_known_is_checked_against_the_index(archive, apt):
    apt(apt_get=f"cp {archive} .", apt_cache=f"echo Package: toy; echo SHA256: {sha256(archive)}")
    assert (fetch_debian("toy", {"0.9-1": "0" * 64}) / "usr" / "toy.txt").is_file()


@needs_dpkg
def test_a_version_that_is_not_known_and_differs_from_the_index_is_refused(archive, apt):
    apt(apt_get=f"cp {archive} .", apt_cache=f"echo SHA256: {'1' * 64}")
    with pytest.raises(AssetError, match=f"expected {'1' * 64}"):
        fetch_debian("toy", {})


@needs_dpkg
def test_a_version_without_a_hash_in_the_index_is_refused(archive, apt):
    apt(apt_get=f"cp {archive} .", apt_cache="echo Package: toy")
    with pytest.raises(AssetError, match=r"no SHA-256 for toy 1\.0-1"):
        fetch_debian("toy", {})


@needs_dpkg
def test_a_folder_that_was_left_half_unpacked_is_replaced(archive, apt, cache):
    left = cache / "debian" / "toy_1.0-1"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    apt(apt_get=f"cp {archive} .", apt_cache="exit 1")
    tree = fetch_debian("toy", {"1.0-1": sha256(archive)})
    assert tree == left
    assert not (tree / "half").exists()


@needs_dpkg
def test_root_updates_the_package_lists_once_when_they_lack_the_package(archive, apt, tmp_path, monkeypatch):
    updated = tmp_path / "updated"
    fail = "echo E: Unable to locate package toy >&2; exit 100"
    download = f"if [ -e {updated} ]; then cp {archive} .; else {fail}; fi"
    apt(apt_get=f'if [ "$1" = update ]; then touch {updated}; else {download}; fi', apt_cache="exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert fetch_debian("toy", {"1.0-1": sha256(archive)}).is_dir()


@needs_dpkg
def test_others_are_told_to_update_the_package_lists(apt, monkeypatch):
    apt(apt_get="echo E: Unable to locate package toy >&2; exit 100", apt_cache="exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(AssetError, match="Unable to locate package toy; run `sudo apt-get update`"):
        fetch_debian("toy", {})


def test_elsewhere_than_on_debian_the_error_offers_ones_own_recordings(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssetError, match=r"no apt-get, apt-cache, dpkg-deb .*not Debian.*give your own recordings"):
        fetch_debian("toy", {})


@pytest.mark.slow
def test_the_registries_are_reachable_with_the_users_own_programs(cache):
    # The text package of the Asterisk prompts: 23 kB.
    hashes = {"1.6.1-1": "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50"}
    tree = fetch_debian("asterisk-core-sounds-en", hashes)
    assert (tree / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz").is_file()
