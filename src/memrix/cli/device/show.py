"""`memrix device show`: charts of what the cells of a technology do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from memrix._support.preset_names import SYNAPTOGEN
from memrix.cli.arguments import check_device
from memrix.cli.device.options import OUTPUT, DeviceName, check_seed, require_extra
from memrix.cli.messages import message


def show(
    params: DeviceName = SYNAPTOGEN,
    *,
    output: Annotated[Path, OUTPUT],
    seed: int = 0,
) -> None:
    """Draw charts of a device: I-V loops, variability, programmed cells, correlation over cycles.

    Writes `iv_loops.png`, `features.png`, `protocols.png` and `memory.png`.

    Parameters
    ----------
    output
        Folder for the charts. It is created if it does not exist.
    seed
        Seed of the devices.
    """
    check_seed(seed)
    check_device(params)
    require_extra()

    from rich.console import Console

    from memrix.device import load_parameters
    from memrix.studies.device_charts import draw_device

    parameters = load_parameters(params)
    with Console(stderr=True).status("drawing devices") as status:
        paths = draw_device(parameters, output, seed=seed, progress=status.update)
    for path in paths:
        message(f"chart: {path}")
