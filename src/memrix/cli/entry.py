"""The command `memrix` where the libraries of its extras may be missing."""

from __future__ import annotations

import sys

_OWN = "memrix"


def run() -> None:
    """Console entry point: run the command, or say which extra brings what it needs."""
    try:
        from memrix.cli import main
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.partition(".")[0] == _OWN:
            raise
        print(
            f"Error: the command `memrix` needs {missing}, which memrix alone does not install. For every command: "
            f'pip install "memrix[asr]"; for devices, costs and studies: pip install "memrix[device]"',
            file=sys.stderr,
        )
        sys.exit(2)
    main.run()
