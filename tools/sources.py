"""The files that distributions are built from: those of the project, in a folder of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NOT_SOURCES = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "results")
_PICTURE = re.compile(r"(!\[[^\]]*\]\()([^)\s]+)")
_LINK = re.compile(r"(\]\()([^)\s]+)")
_CODE = re.compile(r"(?ms)^```.*?^```")
_ELSEWHERE = re.compile(r"[a-z]+:|#")


def stage(root: Path, folder: Path) -> Path:
    """Copy the project into a new folder without ``.git``: what git knows or does not ignore.

    So nothing that lies about enters a distribution, and each is built as an archive of the project would be.
    """
    known = _known_to_git(root)
    if known is None:
        shutil.copytree(root, folder, ignore=_NOT_SOURCES)
        return folder
    for name in known:
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    return folder


def _known_to_git(root: Path) -> list[str] | None:
    """Names of files, relative to ``root``; None where ``root`` is no work tree of its own."""
    if not (root / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return [
        name
        for name in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
        if name
    ]


def distributions(source: Path) -> tuple[list[Path], list[str]]:
    """Folders that a distribution is built from, and remarks on those that none is: the package, then recognizers."""
    folders, remarks = [source], []
    for project in sorted(source.glob("recognizers/*/pyproject.toml")):
        if any(project.parent.rglob("*.safetensors")):
            folders.append(project.parent)
        else:
            remarks.append(f"{project.parent.relative_to(source)} holds no weights (*.safetensors): it is not built")
    return folders, remarks


def project_of(folder: Path) -> dict[str, Any]:
    """The table ``project`` of the ``pyproject.toml`` in a folder."""
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def link_absolutely(folder: Path, source: Path, tag: str) -> None:
    """Make relative links of a distribution's page absolute: a registry shows the page without the files.

    Args:
        folder: of the distribution.
        source: folder of the project.
        tag: of the release, whose files the links lead to.
    """
    page = folder / project_of(folder)["readme"]
    inner = page.parent.relative_to(source).as_posix()
    repository = project_of(source)["urls"]["Source"]
    text = absolute_links(page.read_text(encoding="utf-8"), repository, "" if inner == "." else f"{inner}/", tag)
    page.write_text(text, encoding="utf-8")


def absolute_links(text: str, repository: str, folder: str, tag: str) -> str:
    """Markdown whose relative links and pictures are those of a tag of a repository.

    Args:
        text: the page.
        repository: address.
        folder: that links are relative to, "" or ending in a slash.
        tag: of git.
    """
    raw = repository.replace("https://github.com/", "https://raw.githubusercontent.com/")

    def under(place: str) -> Callable[[re.Match[str]], str]:
        return lambda found: found[0] if _ELSEWHERE.match(found[2]) else f"{found[1]}{place}/{folder}{found[2]}"

    def of_prose(prose: str) -> str:
        return _LINK.sub(under(f"{repository}/blob/{tag}"), _PICTURE.sub(under(f"{raw}/{tag}"), prose))

    blocks = [block[0] for block in _CODE.finditer(text)]
    parts = [of_prose(prose) for prose in _CODE.split(text)]
    return "".join(part for pair in zip(parts, [*blocks, ""], strict=True) for part in pair)
