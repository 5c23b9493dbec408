"""What the build of the documentation site adds to MkDocs: pages that code writes, and links for both places.

``mkdocs build --strict`` calls these functions. Whatever is missing is a warning, and so fails a strict build: a
public name without a page, a docstring that leaves out an argument, a setting without a unit, a link to no file.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from site_pages import commands, documents, names, settings

_log = logging.getLogger("mkdocs.hooks.memrix")
_SOURCES = {page: document for document, page in documents.PAGES.items()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not files of docs/."""
    problems = names.problems()
    pages = {page: (documents.ROOT / document).read_text(encoding="utf-8") for page, document in _SOURCES.items()}
    pages["reference/settings.md"] = settings.settings_page(problems)
    pages["reference/presets.md"] = settings.presets_page()
    pages["reference/commands.md"] = commands.commands_page()
    pages["reference/index.md"] = names.index_page()
    for page in names.PAGES:
        pages[f"reference/{page}.md"] = names.reference_page(page)
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    for problem in problems:
        _log.warning(problem)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Documents of the repository, in the dialect and with the links of the site."""
    place = page.file.src_uri
    if place.startswith("reference/"):
        return markdown
    problems: list[str] = []
    text = documents.with_links(markdown, _SOURCES.get(place, f"docs/{place}"), place, problems)
    for problem in problems:
        _log.warning(problem)
    return documents.with_lists(text)
