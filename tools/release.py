"""Versions: what ``pyproject.toml``, ``CHANGELOG.md``, ``CITATION.cff`` and a tag say must agree.

    python -m tools.release check [--tag v0.2.0]    every disagreement; exit status 1 if there is one
    python -m tools.release prepare 0.2.0           write a new version into the three files
    python -m tools.release notes 0.2.0             what the changelog says of a version

The version stands in ``pyproject.toml``, and a tag is checked against it, rather than the other way round: a clone
without tags, an archive without ``.git`` and a source distribution all install as the same version.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNRELEASED = "Unreleased"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?")
_HEADING = re.compile(r"(?m)^## \[([^\]]+)\](.*)$")
_DATED = re.compile(r" - (\d{4}-\d\d-\d\d)")


class ReleaseError(Exception):
    """A version cannot be released; the message says why, and what to do."""


@dataclass(frozen=True)
class Section:
    """A section of the changelog.

    Attributes:
        name: a version, or "Unreleased".
        dated: what follows the name in the heading.
        text: below the heading.
    """

    name: str
    dated: str
    text: str

    @property
    def date(self) -> str | None:
        """The day of the release; None where the heading has none that exists."""
        found = _DATED.fullmatch(self.dated.rstrip())
        try:
            return date.fromisoformat(found[1]).isoformat() if found else None
        except ValueError:
            return None


def order(version: str) -> tuple[int, int, int, bool, str, int]:
    """A key that versions sort by.

    Raises:
        ReleaseError: it is not ``1.2.3``, or ``1.2.3rc1`` (``a1``, ``b1``).
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ReleaseError(f"a version is three numbers, such as 0.2.0, or 0.2.0rc1 before it; got {version!r}")
    major, minor, patch, stage, number = found.groups()
    return int(major), int(minor), int(patch), stage is None, stage or "", int(number or 0)


def package_version(root: Path = ROOT) -> str:
    """The version that ``pyproject.toml`` gives."""
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def sections(root: Path = ROOT) -> list[Section]:
    """The sections of the changelog, from top to bottom."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return [
        Section(heading[1], heading[2], text[heading.end() : end].strip())
        for heading, end in zip(headings, ends, strict=True)
    ]


def notes(version: str, root: Path = ROOT) -> str:
    """What the changelog says of a version.

    Raises:
        ReleaseError: the changelog does not have it.
    """
    for section in sections(root):
        if section.name == version:
            return section.text
    known = ", ".join(section.name for section in sections(root))
    raise ReleaseError(f"CHANGELOG.md has no section [{version}]; it has {known}")


def problems(root: Path = ROOT, tag: str | None = None) -> list[str]:
    """Everything that disagrees; with a tag, everything that stands against releasing it, too."""
    version, found = package_version(root), []
    try:
        order(version)
    except ReleaseError as error:
        return [f"pyproject.toml: {error}"]
    history = sections(root)
    released = {section.name: section for section in history if section.name != UNRELEASED}
    found += _faults_of_changelog(history, released, version)
    cited = _cited(root, "version")
    if cited != version:
        found.append(f"CITATION.cff has version {cited}, pyproject.toml {version}")
    here = released.get(version)
    day = _cited(root, "date-released")
    if here is not None and day != here.date:
        found.append(f"CITATION.cff has date-released {day}, CHANGELOG.md released {version} on {here.date}")
    if tag is not None:
        found += _objections(tag, version, here)
    return found


def _faults_of_changelog(history: list[Section], released: dict[str, Section], version: str) -> list[str]:
    found = []
    if UNRELEASED in [section.name for section in history[1:]]:
        found.append(f"CHANGELOG.md: [{UNRELEASED}] must be the first section, and be there once")
    for section in released.values():
        if section.date is None:
            found.append(f"CHANGELOG.md: the heading of [{section.name}] must end in its day, such as '- 2026-12-31'")
    try:
        orders = [order(section.name) for section in history if section.name != UNRELEASED]
    except ReleaseError as error:
        return [*found, f"CHANGELOG.md: {error}"]
    if any(one <= next_one for one, next_one in pairwise(orders)):
        found.append("CHANGELOG.md: versions must fall from top to bottom, each there once")
    if version not in released:
        if orders and order(version) < max(orders):
            found.append(f"pyproject.toml has {version}, which is older than what CHANGELOG.md has released")
        if UNRELEASED not in [section.name for section in history]:
            found.append(f"CHANGELOG.md has neither a section [{version}] nor [{UNRELEASED}]")
    elif orders and order(version) != max(orders):
        found.append(f"pyproject.toml has {version}, and CHANGELOG.md a newer release")
    return found


def _objections(tag: str, version: str, section: Section | None) -> list[str]:
    found = []
    if tag != f"v{version}":
        found.append(f"the tag {tag} is not v{version}, the version of pyproject.toml")
    if section is None:
        found.append(f"CHANGELOG.md has no section [{version}]; run `python -m tools.release prepare {version}`")
    elif not section.text:
        found.append(f"CHANGELOG.md says nothing of [{version}]")
    return found


def _cited(root: Path, field: str) -> str | None:
    found = re.search(rf"(?m)^{field}: *[\"']?([^\"'\s]+)", (root / "CITATION.cff").read_text(encoding="utf-8"))
    return found[1] if found else None


def prepare(version: str, day: date, root: Path = ROOT) -> None:
    """Write a new version into the three files: what was unreleased becomes its section.

    Raises:
        ReleaseError: it is no newer version, or nothing has changed since the last.
    """
    history = sections(root)
    released = [section.name for section in history if section.name != UNRELEASED]
    newest = max(released, key=order, default=None)
    if newest is not None and order(version) <= order(newest):
        raise ReleaseError(f"{version} does not come after {newest}, which CHANGELOG.md has released")
    if not history or history[0].name != UNRELEASED or not history[0].text:
        raise ReleaseError(f"CHANGELOG.md says nothing under [{UNRELEASED}]: there is nothing to release")
    order(version)
    _replace(root / "pyproject.toml", r'(?m)^version = ".*"$', f'version = "{version}"')
    _replace(root / "CITATION.cff", r"(?m)^date-released:.*\n", "", least=0)
    _replace(root / "CITATION.cff", r"(?m)^version:.*$", f"version: {version}\ndate-released: {day.isoformat()}")
    _replace(
        root / "CHANGELOG.md",
        rf"(?m)^## \[{UNRELEASED}\]$",
        f"## [{UNRELEASED}]\n\n## [{version}] - {day.isoformat()}",
    )


def _replace(path: Path, pattern: str, text: str, least: int = 1) -> None:
    changed, count = re.subn(pattern, lambda _: text, path.read_text(encoding="utf-8"), count=1)
    if count < least:
        raise ReleaseError(f"{path.name} has no line {pattern}")
    path.write_text(changed, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description="Versions of memrix.")
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="tell every disagreement")
    checking.add_argument("--tag", help="that is to be released, such as v0.2.0")
    preparing = commands.add_parser("prepare", help="write a new version")
    preparing.add_argument("version")
    preparing.add_argument("--date", type=date.fromisoformat, default=date.today(), help="of the release")
    noting = commands.add_parser("notes", help="print what the changelog says")
    noting.add_argument("version")
    given = parser.parse_args(arguments)
    try:
        if given.command == "prepare":
            prepare(given.version, given.date)
        elif given.command == "notes":
            print(notes(given.version.removeprefix("v")))
        found = problems(tag=given.tag) if given.command == "check" else []
    except ReleaseError as error:
        found = [str(error)]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
