"""Files for NIST's sclite, and the names of files of several executions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path


def as_trn(texts: Mapping[str, str]) -> str:
    """A line for each text: its words, and its name in parentheses, without what sclite takes for marks."""
    return "".join(f"{without(text, '(){}')} ({trn_name(name)})\n" for name, text in texts.items())


def trn_name(name: str) -> str:
    """A name without blanks and parentheses."""
    return "_".join(without(name, "()").split())


def without(text: str, characters: str) -> str:
    """A text without these characters, and without blanks around it."""
    return text.translate(str.maketrans("", "", characters)).strip()


def paths_by_execution(path: Path, executions: Iterable[str]) -> dict[str, Path]:
    """Where each execution is written: ``talk.chip.trn`` beside ``talk.float.trn``; the path itself for one alone."""
    names = list(executions)
    if len(names) == 1:
        return {names[0]: path}
    short = {name: "-".join(re.findall(r"[\w.+]+", name)) for name in names}
    return {name: path.with_name(f"{path.stem}.{short[name]}{path.suffix}") for name in names}
