"""`memrix device example`: switching cycles of a simulated device, in the layout of a measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from memrix.cli.arguments import check_device
from memrix.cli.device.options import OUTPUT, check_seed, require_extra
from memrix.cli.messages import message
from memrix.cli.outputs import check_output
from memrix.errors import DataError

_MOST_ROWS = 10_000_000


def example(
    *,
    output: Annotated[Path, OUTPUT],
    devices: int = 200,
    cycles: int = 300,
    parameters: str = "synaptogen",
    seed: int = 0,
) -> None:
    """Write switching cycles of a simulated device, as `memrix device fit` reads them.

    Parameters
    ----------
    output
        CSV file to write.
    devices
        How many devices to draw.
    cycles
        Consecutive cycles of each.
    parameters
        synaptogen, the built-in device, or a JSON file that `memrix device fit` has written.
    seed
        The same seed gives the same cycles.
    """
    check_output(output)
    check_seed(seed)
    check_device(parameters)
    require_extra()
    if devices * cycles > _MOST_ROWS:
        raise DataError(
            f"{devices} devices of {cycles} cycles are {devices * cycles:,} rows, and at most {_MOST_ROWS:,} are "
            f"written; give fewer --devices or --cycles"
        )

    from memrix.device.fitting import simulate_cycles
    from memrix.device.parameter_files import load_parameters

    simulate_cycles(load_parameters(parameters), devices, cycles, seed).save(output)
    message(f"{devices} devices of {cycles} cycles: {output}")
