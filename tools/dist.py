"""Distributions: built from a copy of the project, and installed in a clean virtual environment.

    python -m tools.dist [--demo] [--without-tests]

``dist/`` gets a source distribution and a wheel of memrix, and of every recognizer in ``recognizers/`` that holds
weights. Then, in a new folder outside of the project: the source distribution of memrix alone, the wheels with the
extras of the command, and tests of what is installed. The exit status is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

from tools import archives, release, sources

TOOLS = ("build>=1.2", "twine>=6.1")
EXTRAS = "asr,device,report"
TEST_LIBRARIES = ("pytest", "pytest-xdist", "hypothesis")
TESTS = (
    "tests/costing",  # constants: a TOML file of the package
    "tests/hardware/test_hardware.py",  # presets: TOML files
    "tests/hardware/test_layers.py",
    "tests/checkpoint/test_checkpoint.py",  # saved chips, which know their version
    "tests/crossbar/test_read.py",  # compiled loops beside tensor operations
    "tests/cli/test_main.py",  # the command
    "tests/test_seeds.py",
)
"""What is tested of what is installed: files that come with it, saved chips, compiled loops, the command, and seeds.
What else the suite tests is the same in a wheel as in the source tree."""


_OF_PYTHON = ("PYTHON", "VIRTUAL_ENV")  # variables that would show one Python what another has


class DistError(Exception):
    """A step failed; its own output says why."""


def call(*command: str | Path, folder: Path, quiet: bool = False) -> None:
    """Run a program in a folder, where nothing of the project or of this Python is found.

    Raises:
        DistError: it failed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OF_PYTHON)}
    shown = " ".join(map(str, command))
    print(f"$ {shown}", flush=True)
    result = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, text=True, capture_output=quiet, check=False
    )
    if result.returncode:
        output = f"\n{result.stdout}{result.stderr}" if quiet else ""
        raise DistError(f"failed with exit status {result.returncode}: {shown}{output}")


class Environment:
    """A new virtual environment.

    Args:
        folder: that it is made in.
        constraints: versions of all that is installed.
    """

    def __init__(self, folder: Path, constraints: Path) -> None:
        venv.create(folder, with_pip=True)
        self.folder, self._constraints = folder, constraints
        self.programs = folder / ("Scripts" if os.name == "nt" else "bin")

    def install(self, *what: str | Path) -> None:
        """Install by pip."""
        pip = (self.programs / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        call(*pip, "--constraint", self._constraints, *what, folder=self.folder)

    def run(self, *arguments: str | Path, folder: Path, quiet: bool = False) -> None:
        """Run Python in a folder; ``quiet``: show what it prints only if it fails."""
        call(self.programs / "python", *arguments, folder=folder, quiet=quiet)


def build(source: Path, output: Path, tools: Environment) -> None:
    """Build every distribution, and check how a registry would show it."""
    tools.install(*TOOLS)
    folders, remarks = sources.distributions(source)
    for folder in folders:
        tools.run("-m", "build", "--outdir", output, folder, folder=tools.folder, quiet=True)
    for remark in remarks:
        print(remark)
    call(tools.programs / "twine", "check", "--strict", *sorted(output.iterdir()), folder=tools.folder)


def inspect(source: Path, output: Path) -> None:
    """Print the size of every wheel.

    Raises:
        DistError: one is too large, or a file is missing.
    """
    found = []
    for path in sorted(output.glob("*.whl")):
        wheel = archives.Contents.of(path)
        print(wheel.describe())
        found += wheel.problems()
        if wheel.distribution == "memrix":
            found += archives.missing_files(wheel, source / "src" / "memrix")
    for path in sorted(output.glob("*.tar.gz")):
        print(f"{path.name}: {path.stat().st_size / archives.MEGABYTE:.2f} MB")
        found += archives.missing_sources(path)
    if found:
        raise DistError("\n".join(found))


def install_and_test(source: Path, output: Path, work: Path, *, tests: bool, demo: bool) -> None:
    """Install what was built as users do, and run it outside of the project."""
    clean = Environment(work / "clean", source / "constraints.txt")
    check = shutil.copy(source / "tools" / "installed.py", work / "installed.py")
    # torch goes first and alone: its pinned CPU build keeps every later request from pulling a CUDA build.
    clean.install("torch")
    clean.install(*output.glob("memrix-*.tar.gz"))
    clean.run(check, "core", clean.folder, folder=work)
    wheels = sorted(output.glob("*.whl"))
    clean.install("--force-reinstall", "--no-deps", *wheels)
    clean.install(*(f"{wheel}[{EXTRAS}]" for wheel in wheels if wheel.name.startswith("memrix-")))
    clean.run("-m", "pip", "check", folder=work)
    clean.run(check, "complete", clean.folder, folder=work)
    if tests:
        shutil.copytree(source / "tests", work / "tests")
        shutil.copy(source / "pyproject.toml", work / "pyproject.toml")  # settings of pytest
        clean.install(*TEST_LIBRARIES)
        clean.run("-m", "pytest", *TESTS, folder=work)
    if demo:
        call(clean.programs / "memrix", "demo", folder=work)


def make(root: Path, work: Path, *, tests: bool, demo: bool) -> None:
    """Everything, in an empty folder ``work``; the archives end in ``dist`` of the project.

    Raises:
        DistError: a step failed.
    """
    found = release.problems(root)
    if found:
        raise DistError("\n".join(found))
    source = sources.stage(root, work / "source")
    tag = f"v{release.package_version(root)}"
    for folder in sources.distributions(source)[0]:
        sources.link_absolutely(folder, source, tag)
        if not (folder / "LICENSE").exists():
            shutil.copy(source / "LICENSE", folder)
    output = work / "dist"
    build(source, output, Environment(work / "tools", source / "constraints.txt"))
    inspect(source, output)
    install_and_test(source, output, work, tests=tests, demo=demo)
    shutil.rmtree(root / "dist", ignore_errors=True)
    shutil.copytree(output, root / "dist")
    print(f"dist/ holds {', '.join(sorted(path.name for path in output.iterdir()))}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.dist", description="Distributions of memrix.")
    parser.add_argument("--demo", action="store_true", help="run `memrix demo`, too, which downloads recordings")
    parser.add_argument("--without-tests", action="store_true", help="install and import, but run no tests")
    given = parser.parse_args(arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="memrix-dist-") as folder:
        try:
            make(release.ROOT, Path(folder), tests=not given.without_tests, demo=given.demo)
        except DistError as error:
            print(error, file=sys.stderr)
            return 1
    print(f"took {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
