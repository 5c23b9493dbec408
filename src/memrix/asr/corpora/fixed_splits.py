"""Fixed splits, in files next to this one."""

from __future__ import annotations

import json
from importlib.resources import files


def fixed_splits(corpus: str) -> dict[str, str]:
    """Split of every id of a corpus that memrix ships a division of."""
    text = (files("memrix.asr.corpora") / "splits" / f"{corpus}.json").read_text(encoding="utf-8")
    return {name: split for split, names in json.loads(text)["splits"].items() for name in names}
