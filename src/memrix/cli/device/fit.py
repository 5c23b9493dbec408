"""`memrix device fit`: parameters of a device technology from measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from memrix.cli.arguments import check_input
from memrix.cli.device.options import OUTPUT, check_seed, require_extra
from memrix.cli.messages import message
from memrix.cli.outputs import check_distinct, check_output

if TYPE_CHECKING:
    from rich.status import Status

    from memrix.device.fitting import Cycles, Goodness
    from memrix.device.parameters import DeviceParameters

EXIT_MISFIT = 3
_SHOWN = 3  # loops left out that are named


def fit(
    sweeps: Path,
    /,
    *,
    output: Annotated[Path, OUTPUT],
    order: int | None = None,
    components: int | None = None,
    read_voltage: float = 0.2,
    full_reset_voltage: float | None = None,
    reset_exponent: float = 3.0567,
    cycles: int | None = None,
    columns: Annotated[list[str] | None, Parameter(negative="")] = None,
    flip_polarity: Annotated[bool, Parameter(negative="")] = False,
    strict: Annotated[bool, Parameter(negative="")] = False,
    json: Path | None = None,
    seed: int = 0,
) -> int:
    """Estimate the parameters of a device from measured switching cycles or I-V loops.

    A CSV file of cycles has the columns `device,cycle,R_HRS,U_set,R_LRS,U_reset,curve,U,I` and two kinds of rows. A
    row of a cycle fills the first six: resistances in ohm, U_set in V and negative, U_reset in V and positive; the
    cycles of a device must follow each other without a gap. A row of a curve fills the last three: a point, in V and
    A, of the I-V curve of an extreme state, LRS or HRS. `memrix device example` writes such a file. A file of I-V
    loops has the columns `device,cycle,U,I` and a row a point, in the order of time; the features are extracted.
    Units may stand in the names: `R_HRS (kohm)`. docs/device.md says all of it.

    Prints how well the parameters describe the measurements; the last line says whether they do. Fewer than nine
    devices give a parametric device: means and spreads. A chip of such cells has the file as `device.parameters` of
    its hardware.

    Parameters
    ----------
    sweeps
        The file of measured cycles or loops.
    output
        JSON file for the parameters.
    order
        Cycles of history that count; at least four times as many cycles of each device are needed. By default 10, or
        fewer for fewer cycles.
    components
        Gaussians that devices are drawn from; at least nine devices for each are needed. By default 3, or fewer, so
        that each describes nine devices.
    read_voltage
        Voltage in V at which the resistances were measured, or are taken from loops.
    full_reset_voltage
        Highest voltage in V of the sweeps, at which a reset is complete. By default that of the loops, or else 1.46.
    reset_exponent
        Curvature of the current along a partial reset. These measurements do not show it: by default that of the
        built-in device.
    cycles
        How many cycles of each device count, from its first; by default all, and then all devices must have the same
        number.
    columns
        What columns of other names stand for: `"Vset (V)=U_set"`, separated by commas or given again.
    flip_polarity
        The devices SET at positive and RESET at negative voltages.
    strict
        End with exit status 3 if the parameters do not describe the measurements.
    json
        File for the goodness of fit.
    seed
        The same seed gives the same parameters.
    """
    check_distinct(sweeps, output, json)
    check_output(output)
    check_output(json)
    check_seed(seed)
    check_input("the measurement", sweeps, "a CSV file")
    require_extra()

    import json as json_format

    from rich.console import Console

    from memrix.device.fitting.columns import parse_renames
    from memrix.device.fitting.reading import read_cycles

    renames = parse_renames(columns or ())
    with Console(stderr=True).status("reading") as status:
        measured = read_cycles(
            sweeps, cycles, columns=renames, flip_polarity=flip_polarity, read_voltage=read_voltage
        )
        parameters, goodness, assumptions = _fitted(
            measured,
            status,
            order=order,
            components=components,
            read_voltage=read_voltage,
            full_reset_voltage=full_reset_voltage,
            reset_exponent=reset_exponent,
            seed=seed,
        )
        from memrix.device.parameter_files import save_parameters

        save_parameters(parameters, output)
    _report(measured, parameters, goodness, assumptions)
    message(f"parameters: {output}")
    if json is not None:
        json.write_text(json_format.dumps(goodness.to_dict(), indent=1) + "\n", encoding="utf-8")
        message(f"goodness of fit: {json}")
    Console().print(goodness.verdict, markup=False, highlight=False, soft_wrap=True)
    return EXIT_MISFIT if strict and not goodness.fits else 0


def _fitted(
    measured: Cycles,
    status: Status,
    *,
    order: int | None,
    components: int | None,
    read_voltage: float,
    full_reset_voltage: float | None,
    reset_exponent: float,
    seed: int,
) -> tuple[DeviceParameters, Goodness, tuple[str, ...]]:
    """Parameters, how well they describe the cycles, and what was assumed for want of devices."""
    from memrix.device.fitting import fit_few_devices, fit_parameters, goodness_of_fit
    from memrix.device.fitting.few_devices import FEWEST_DEVICES

    status.update(f"fitting {len(measured.devices)} devices of {measured.count} cycles")
    few = len(measured.devices) < FEWEST_DEVICES
    if few:
        description = fit_few_devices(
            measured,
            read_voltage=read_voltage,
            full_reset_voltage=full_reset_voltage,
            reset_exponent=reset_exponent,
        )
        parameters, assumptions = description.parameters, description.assumptions
    else:
        assumptions = ()
        parameters = fit_parameters(
            measured,
            order=order,
            components=components,
            read_voltage=read_voltage,
            full_reset_voltage=full_reset_voltage,
            reset_exponent=reset_exponent,
            seed=seed,
        )
    status.update("comparing the fit with the measurements")
    return parameters, goodness_of_fit(parameters, measured, seed=seed, gross=few), assumptions


def _report(measured: Cycles, parameters: DeviceParameters, goodness: Goodness, assumptions: tuple[str, ...]) -> None:
    from rich.console import Console

    from memrix.cli.device.goodness import print_goodness
    from memrix.cli.device.switching import switching_lines
    from memrix.device.fitting.few_devices import FEWEST_DEVICES

    print_goodness(goodness, parameters)
    for line in switching_lines(parameters):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)
    if measured.unswitched:
        count = len(measured.unswitched)
        shown = "; ".join(measured.unswitched[:_SHOWN]) + ("; ..." if count > _SHOWN else "")
        message(f"{count} loop{'s' if count > 1 else ''} left out: {shown}")
    if assumptions:
        message(
            f"Fewer than {FEWEST_DEVICES} devices show no statistics: this is a parametric device, of means and "
            f"spreads. {'. '.join(assumptions)}. --order and --components do not apply."
        )
    else:
        _warn_of_small_components(goodness, parameters)


def _warn_of_small_components(goodness: Goodness, parameters: DeviceParameters) -> None:
    from memrix.device.fitting.sufficiency import DEVICES_PER_COMPONENT

    least = float(parameters.mixture_weights.min()) * goodness.devices
    if least < DEVICES_PER_COMPONENT:
        message(
            f"The smallest component of the mixture describes {least:.1f} devices, too few for its covariance, which "
            f"takes {DEVICES_PER_COMPONENT}: measure more devices, or give fewer --components."
        )
