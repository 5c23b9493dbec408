"""Documents of the repository as pages of the site, and their links.

Links in README, CONTRIBUTING and docs/ are relative paths of the repository, as GitHub follows them. The site has its
own places for some of these files; others it does not have.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = {
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "src/memrix/asr/trained/queen-small/README.md": "queen-small.md",
}
"""Documents outside of docs/, by their pages."""

PLACES = PAGES | {
    "src/memrix/__init__.py": "reference/index.md",
    "src/memrix/cli/main.py": "reference/commands.md",
    "src/memrix/hardware/description.py": "reference/settings.md",
    "src/memrix/hardware/presets": "reference/presets.md",
    "src/memrix/asr/trained/queen-small": "queen-small.md",
}
"""Files and folders that the site shows on a page of another name."""

_LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\]|\\.)*)\]\((?P<target>[^()\s]+)\)")
_FENCE = re.compile(r"^ *```")
_ITEM = re.compile(r"^( *)(?:[-*]|\d+\.) ")


def page_of(path: str) -> str | None:
    """The page, or picture, of the site for a file or folder of the repository; None: the site does not have it."""
    if path in PLACES:
        return PLACES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") and not path.endswith(".py") else None


def with_links(text: str, document: str, page: str, problems: list[str]) -> str:
    """A document whose links lead to pages of the site.

    A link to a file that the site does not have becomes its text.

    Args:
        text: Markdown.
        document: path of the document in the repository.
        page: path of its page in the site.
        problems: a line for each link to what the repository does not have is added to it.
    """

    def replaced(link: re.Match[str]) -> str:
        path, mark, anchor = link["target"].partition("#")
        if re.match(r"[a-z]+:", path) or not path:
            return link[0]
        found = posixpath.normpath(posixpath.join(posixpath.dirname(document), path))
        if not (ROOT / found).exists():
            problems.append(f"{document}: {link['target']} is neither a file nor a folder")
        place = page_of(found)
        if place is None:
            return link["text"]
        relative = posixpath.relpath(place, posixpath.dirname(page) or ".")
        return f"{link['image']}[{link['text']}]({relative}{mark}{anchor})"

    return _outside_blocks(text, lambda part: _LINK.sub(replaced, part))


def with_lists(text: str) -> str:
    """A document whose lists are those of GitHub in the dialect of the site.

    Python-Markdown wants an empty line in front of a list, and what is part of an item indented by four spaces.
    """
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        before = lines[-1] if lines else ""
        begins = not fenced and (item := _ITEM.match(line)) and not item[1]
        if begins and before and not before.startswith(" ") and not _ITEM.match(before):
            lines.append("")
        if not fenced and re.match(r" {2,3}\S", line):
            line = "    " + line.lstrip()
        lines.append(line)
    return "\n".join(lines)


def _outside_blocks(text: str, change: Callable[[str], str]) -> str:
    """A text whose parts outside of fenced blocks are changed."""
    parts = re.split(r"(^ *```.*?^ *```$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))
