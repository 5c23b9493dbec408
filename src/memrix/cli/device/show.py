"""`memrix device show`: charts of what the cells of a technology do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from memrix.cli.arguments import check_device
from memrix.cli.device.options import OUTPUT, check_seed, require_extra
from memrix.cli.messages import message


def show(
    params: str = "synaptogen",
    *,
    output: Annotated[Path, OUTPUT],
    seed: int = 0,
) -> None:
    """Draw a device technology: I-V loops, variability, programmed cells, memory over cycles.

    Writes `iv_loops.png`, `features.png`, `protocols.png` and `memory.png`.

    Parameters
    ----------
    params
        `synaptogen`, the measured device, or a JSON file that `memrix device fit` has written.
    output
        Folder for the charts; made if it is missing.
    seed
        The same seed draws the same devices.
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
