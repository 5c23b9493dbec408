"""The command line of a benchmark: ``--help``, and no arguments."""

from __future__ import annotations

import argparse
import sys


def require_no_arguments(description: str | None) -> None:
    """Show what a benchmark measures for ``--help``, and refuse any other argument, before anything is measured."""
    spec = sys.modules["__main__"].__spec__
    name = "benchmarks" if spec is None else spec.name.removesuffix(".__main__")
    argparse.ArgumentParser(
        prog=f"python -m {name}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
