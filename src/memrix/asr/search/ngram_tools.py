"""The programs that estimate n-gram language models: KenLM's lmplz, or IRSTLM's tlm from Debian.

Both run as separate programs, which satisfies their licenses (LGPL).
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memrix.asr.packages import fetch_debian, last_line, run_program
from memrix.errors import AssetError

_IRSTLM_HASHES = {"6.00.05-3+b1": "427c80d2a98492ab833dca282ec9042be76113fc83639e2020ee4c3df95d679f"}
_LIBRARY_HASHES = {"6.00.05-3+b1": "964330898fba58b2f9c338cf922b8e974c5ef17cbadbe1ed4073528400e0d3a0"}
_HASHED_MACHINE = "x86_64"
_LIBRARY_NAMES = ("libirstlm1", "libirstlm1t64")
"""Debian 12 and older; Debian 13 and newer."""

_TLM_FOLDER = "/usr/lib/irstlm/bin"
"""Where Debian's package installs tlm, which is on no PATH."""

_SORTING_MEMORY = "20%"
"""lmplz would take 80 % of the memory, and sorts on disk with less."""

_HOW_TO_INSTALL = (
    "put lmplz of KenLM (https://kheafield.com/code/kenlm) on the PATH, or install IRSTLM (on Debian and its kin: "
    "`sudo apt-get install irstlm`), or give an ARPA file that was estimated elsewhere"
)
_TOO_LITTLE = "count-of-counts cannot be estimated"


@dataclass(frozen=True)
class Estimator:
    """A program that estimates language models.

    Attributes:
        name: ``lmplz`` or ``tlm``.
        program: path of the executable.
        libraries: folder of shared libraries that it needs; None where the system has them.
    """

    name: str
    program: Path
    libraries: Path | None = None

    def run(self, sentences: Path, order: int, arpa: Path) -> str:
        """Estimate from a file with one sentence a line into ``arpa``; the name of the smoothing.

        Raises:
            AssetError: the program fails.
        """
        if self.name == "lmplz":
            options = ["-o", str(order), "-S", _SORTING_MEMORY, "-T", f"{arpa.parent}/", "--discount_fallback"]
            self._complete(self._call(*options, "--text", str(sentences), "--arpa", str(arpa)), arpa)
            return "modified Kneser-Ney"
        # tlm takes sentences with their marks, and would prune n-grams of 3 words and more that occur once.
        marked = sentences.with_suffix(".marked")
        with sentences.open(encoding="utf-8") as source, marked.open("w", encoding="utf-8") as target:
            target.writelines(f"<s> {line.rstrip()} </s>\n" for line in source)
        options = [f"-tr={marked}", f"-n={order}", "-ps=no", f"-oarpa={arpa}"]
        result = self._call(*options, "-lm=isb")
        if result.returncode != 0 and _TOO_LITTLE in result.stderr:
            # In little text, no n-gram occurs twice or thrice, which discounts are made from.
            self._complete(self._call(*options, "-lm=wb"), arpa)
            return "Witten-Bell"
        self._complete(result, arpa)
        return "improved shift-beta"

    def _call(self, *options: str) -> subprocess.CompletedProcess[str]:
        if self.libraries is None:
            return run_program(str(self.program), *options)
        return run_program(str(self.program), *options, LD_LIBRARY_PATH=str(self.libraries))

    def _complete(self, result: subprocess.CompletedProcess[str], arpa: Path) -> None:
        if result.returncode != 0 or not arpa.is_file():
            raise AssetError(
                f"{self.program} could not estimate a language model: {last_line(result)}; see what it says of the "
                "same text, or give an ARPA file that was estimated elsewhere"
            )


def find_estimator() -> Estimator:
    """lmplz where it is on the PATH; else an installed tlm; else that of Debian's package, unpacked into the cache.

    Raises:
        AssetError: there is none, and the package cannot be fetched.
    """
    lmplz = shutil.which("lmplz")
    if lmplz is not None:
        return Estimator("lmplz", Path(lmplz))
    tlm = shutil.which("tlm") or shutil.which("tlm", path=_TLM_FOLDER)
    if tlm is not None:
        return Estimator("tlm", Path(tlm))
    # Packages of a version differ between machines; others are checked against Debian's signed index.
    hashed = platform.machine() == _HASHED_MACHINE
    tree = fetch_debian("irstlm", _IRSTLM_HASHES if hashed else {}, instead=_HOW_TO_INSTALL)
    library = _fetch_library(_LIBRARY_HASHES if hashed else {})
    program = tree / "usr/lib/irstlm/bin/tlm"
    folders = {file.parent for file in library.glob("usr/lib/**/libirstlm.so*")}
    if not program.is_file() or len(folders) != 1:
        raise AssetError(f"{tree} and {library} do not hold tlm and its library; delete both and run again")
    return Estimator("tlm", program, folders.pop())


def _fetch_library(known: Mapping[str, str]) -> Path:
    problem: AssetError | None = None
    for name in _LIBRARY_NAMES:
        try:
            return fetch_debian(name, known, instead=_HOW_TO_INSTALL)
        except AssetError as error:
            problem = problem or error
    raise problem or AssetError(_HOW_TO_INSTALL)
