"""What must work where memrix is installed; run by the Python of that environment, outside of the source tree.

    python installed.py core FOLDER       with the libraries that memrix itself requires
    python installed.py complete FOLDER   with the extras of the `memrix` command, too

``FOLDER`` is the environment, which memrix must have been imported from. The exit status is 1 if something fails.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = Path(sys.executable).with_name("memrix")


def core(environment: Path) -> None:
    """Import, program, read, save and load; the command says what it lacks."""
    import torch

    import memrix

    assert Path(memrix.__file__).is_relative_to(environment), f"imported {memrix.__file__}, not what is installed"
    assert memrix.__version__ == importlib.metadata.version("memrix")
    assert Path(memrix.__file__).with_name("py.typed").is_file()
    hardware = memrix.Hardware.preset("physical").replace(weight_bits=4, noise="off")
    model = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    inputs = torch.randn(32, 16, generator=torch.Generator().manual_seed(0))
    memrix.calibrate(model, [inputs], hardware)
    chip = memrix.program(model, hardware, seed=0)
    with torch.no_grad():
        outputs, expected = chip(inputs), model(inputs)
    error = float((outputs - expected).norm() / expected.norm())
    assert 0 < error < 0.6, f"the relative error of the chip is {error}"
    with tempfile.TemporaryDirectory() as folder:
        memrix.save(chip, Path(folder) / "chip.safetensors")
        loaded = memrix.load(Path(folder) / "chip.safetensors", model)
        with torch.no_grad():
            assert torch.equal(loaded(inputs), outputs)
    for name in memrix.Hardware.presets():
        memrix.Hardware.preset(name)
    print(f"memrix {memrix.__version__} imports, programs, reads, saves and loads; relative error {error:.3f}")


def command_says_what_it_lacks() -> None:
    """Without the extras, the command names them."""
    result = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True)
    assert result.returncode == 2, result
    assert "memrix[asr]" in result.stderr, result
    assert "Traceback" not in result.stderr, result
    print(f"without extras: {result.stderr.strip()}")


def complete() -> None:
    """Every module imports, and the command and its groups show their help."""
    import memrix

    modules = [each.name for each in pkgutil.walk_packages(memrix.__path__, "memrix.") if "__main__" not in each.name]
    for name in modules:
        importlib.import_module(name)
    print(f"{len(modules)} modules import")
    for arguments in (["--help"], ["--version"], ["device", "--help"], ["study", "--help"], ["demo", "--help"]):
        result = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True)
        assert result.returncode == 0, result
        assert result.stdout.strip(), result
    names = []
    for each in importlib.metadata.entry_points(group="memrix.recognizers"):
        module = importlib.import_module(each.value)
        assert module.__file__ is not None
        assert list(Path(module.__file__).parent.glob("*.safetensors")), (
            f"{each.name} was installed without its weights"
        )
        names.append(each.name)
    print(f"`memrix --help` and four more calls work; recognizers of other distributions: {names or 'none'}")


if __name__ == "__main__":
    stage, environment = sys.argv[1], Path(sys.argv[2]).resolve()
    core(environment)
    if stage == "core":
        command_says_what_it_lacks()
    else:
        complete()
