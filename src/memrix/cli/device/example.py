"""`memrix device example`: switching cycles of a simulated device, in the layout of a measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from memrix._support.preset_names import SYNAPTOGEN
from memrix.cli.arguments import check_device
from memrix.cli.device.options import OUTPUT, DeviceName, check_seed, require_extra
from memrix.cli.messages import message
from memrix.cli.outputs import check_output
from memrix.errors import DataError

_MOST_ROWS = 10_000_000


def example(
    *,
    output: Annotated[Path, OUTPUT],
    devices: int = 200,
    cycles: int = 300,
    parameters: DeviceName = SYNAPTOGEN,
    seed: int = 0,
) -> None:
    """Simulate switching cycles, in the layout that `memrix device fit` reads.

    Parameters
    ----------
    output
        CSV file to write.
    devices
        Number of devices.
    cycles
        Number of consecutive cycles of each device.
    seed
        Seed of the devices and their cycles.
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
