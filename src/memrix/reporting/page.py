"""The HTML of a report: a template, with plotly.js and all figures in it."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from memrix._support.lazy import installed_version
from memrix._support.libraries import library
from memrix.reporting.reading import Found
from memrix.reporting.sections import Section, added_by

_LIBRARIES = ("memrix", "torch", "numpy", "plotly")


def require_libraries() -> None:
    """Make sure that the libraries of reports are there.

    Raises:
        MemrixError: plotly or jinja2 is not installed.
    """
    for name in ("plotly", "jinja2"):
        library(name, "a report takes", "pip install 'memrix[report]'")


def page(title: str, sections: Sequence[Section], found: Sequence[Found], command: str) -> str:
    """The whole page.

    Args:
        title: of the page.
        sections: with and without parts.
        found: results that they show.
        command: that makes the page; empty: none.
    """
    jinja2 = importlib.import_module("jinja2")
    plotly = importlib.import_module("plotly.offline").get_plotlyjs()
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"script": _script, "indented": lambda table: json.dumps(table, indent=2)}
    folder = files("memrix.reporting")
    script = (folder / "page.js").read_text(encoding="utf-8")
    versions = {name: installed_version(name) for name in _LIBRARIES} | {"Python": platform.python_version()}
    own = versions["memrix"]
    text: str = environment.from_string((folder / "page.html").read_text(encoding="utf-8")).render(
        title=title,
        style=(folder / "page.css").read_text(encoding="utf-8"),
        present=[section for section in sections if section.parts],
        missing=[(each, added_by(each, found)) for each in sections if not each.parts],
        found=found,
        others=[each for each in found if each.version not in (own, None)],
        command=command,
        versions=versions,
        plotly=plotly,
        script=script,
        # Nothing is loaded, and nothing else is run: neither by a mistake here nor by a text of a user.
        policy=f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src {_hashed(plotly)} {_hashed(script)}",
    )
    return text


def _hashed(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _script(table: Mapping[str, Any]) -> str:
    """A table as JSON that can stand in a script element."""
    return json.dumps(_finite(table), allow_nan=False).replace("<", "\\u003c")


def _finite(value: Any) -> Any:  # noqa: ANN401
    """Plain data without infinities and NaN, which JSON does not have: charts leave such points out."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
