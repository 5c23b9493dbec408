"""`memrix device fit`: parameters of a device technology from measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from memrix.cli.arguments import check_input
from memrix.cli.device.options import OUTPUT, check_seed, require_extra
from memrix.cli.messages import message
from memrix.cli.outputs import check_distinct, check_output

if TYPE_CHECKING:
    from memrix.characterization import Goodness
    from memrix.device.parameters import DeviceParameters


def fit(
    sweeps: Path,
    /,
    *,
    output: Annotated[Path, OUTPUT],
    order: int = 10,
    components: int = 3,
    read_voltage: float = 0.2,
    full_reset_voltage: float = 1.46,
    reset_exponent: float = 3.0567,
    cycles: int | None = None,
    json: Path | None = None,
    seed: int = 0,
) -> None:
    """Estimate the parameters of a device from measured switching cycles.

    The CSV file has the columns `device,cycle,R_HRS,U_set,R_LRS,U_reset,curve,U,I` and two kinds of rows. A row of a
    cycle fills the first six: resistances in ohm, U_set in V and negative, U_reset in V and positive; the cycles of
    a device must follow each other without a gap. A row of a curve fills the last three: a point, in V and A, of the
    I-V curve of an extreme state, LRS or HRS. `memrix device example` writes such a file.

    Prints how well the parameters describe the measurements. A chip of such cells has the file as
    `device.parameters` of its hardware.

    Parameters
    ----------
    sweeps
        The CSV file of measured cycles.
    output
        JSON file for the parameters.
    order
        Cycles of history that count; at least four times as many cycles of each device are needed.
    components
        Gaussians that devices are drawn from; at least nine devices for each are needed.
    read_voltage
        Voltage in V at which the resistances were measured.
    full_reset_voltage
        Highest voltage in V of the sweeps, at which a reset is complete.
    reset_exponent
        Curvature of the current along a partial reset. These measurements do not show it: by default that of the
        built-in device.
    cycles
        How many cycles of each device count, from its first; by default all, and then all devices must have the same
        number.
    json
        File for the goodness of fit.
    seed
        The same seed gives the same parameters.
    """
    check_input("the measurement", sweeps, "a CSV file")
    check_distinct(sweeps, output, json)
    check_output(output)
    check_output(json)
    check_seed(seed)
    require_extra()

    import json as json_format

    from rich.console import Console

    from memrix.characterization import fit_parameters, goodness_of_fit, read_cycles
    from memrix.cli.device.goodness import print_goodness
    from memrix.device.parameter_files import save_parameters

    with Console(stderr=True).status("reading") as status:
        measured = read_cycles(sweeps, cycles)
        status.update(f"fitting {len(measured.devices)} devices of {measured.count} cycles")
        parameters = fit_parameters(
            measured,
            order=order,
            components=components,
            read_voltage=read_voltage,
            full_reset_voltage=full_reset_voltage,
            reset_exponent=reset_exponent,
            seed=seed,
        )
        save_parameters(parameters, output)
        status.update("comparing the fit with the measurements")
        goodness = goodness_of_fit(parameters, measured, seed=seed)
    print_goodness(goodness, parameters)
    _warn_of_small_components(goodness, parameters)
    message(f"parameters: {output}")
    if json is not None:
        json.write_text(json_format.dumps(goodness.to_dict(), indent=1) + "\n", encoding="utf-8")
        message(f"goodness of fit: {json}")


def _warn_of_small_components(goodness: Goodness, parameters: DeviceParameters) -> None:
    from memrix.characterization.sufficiency import DEVICES_PER_COMPONENT

    least = float(parameters.mixture_weights.min()) * goodness.devices
    if least < DEVICES_PER_COMPONENT:
        message(
            f"The smallest component of the mixture describes {least:.1f} devices, too few for its covariance, which "
            f"takes {DEVICES_PER_COMPONENT}: measure more devices, or give fewer --components."
        )
