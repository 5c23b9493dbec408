"""`memrix device fit`: parameters of a device technology from measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from memrix._support.documents import write_whole
from memrix.cli.arguments import check_input
from memrix.cli.device.options import OUTPUT, check_seed, require_extra
from memrix.cli.messages import message
from memrix.cli.options import Flag, options_from
from memrix.cli.outputs import check_distinct, check_output
from memrix.device.fitting.settings import FitSettings

if TYPE_CHECKING:
    from memrix.device.fitting import DeviceFit, Goodness
    from memrix.device.parameters import DeviceParameters

EXIT_MISFIT = 3
_SHOWN = 3  # loops left out that are named


@options_from(FitSettings)
def fit(
    given: dict[str, Any],
    sweeps: Path,
    /,
    *,
    output: Annotated[Path, OUTPUT],
    json: Annotated[Path | None, Parameter(help="JSON file to write the goodness of fit to.")] = None,
    strict: Flag = False,
) -> int:
    """Fit the parameters of a device to measured switching cycles or I-V loops.

    A CSV file of cycles has the columns `device,cycle,R_HRS,U_set,R_LRS,U_reset,curve,U,I` and two kinds of rows. A
    row of a cycle fills the first six: resistances in ohm, U_set in V and negative, U_reset in V and positive; the
    cycles of a device must follow each other without a gap. A row of a curve fills the last three: a point, in V and
    A, of the I-V curve of an extreme state, LRS or HRS. `memrix device example` writes such a file. A file of I-V
    loops has the columns `device,cycle,U,I` and one row per point, in the order of time; the features are extracted.
    Units may stand in the names: `R_HRS (kohm)`. See docs/device.md.

    Prints how well the parameters describe the measurements; the last line says whether they do. Fewer than nine
    devices give a parametric device: means and spreads. To use the device, name the file as `device.parameters` of a
    hardware description.

    Parameters
    ----------
    sweeps
        File of measured cycles or loops.
    output
        JSON file to write the parameters to.
    strict
        Exit with status 3 if the parameters do not describe the measurements.
    """
    check_distinct(sweeps, output, json)
    check_output(output)
    check_output(json)
    check_seed(given.get("seed", FitSettings.seed))
    check_input("the measurement", sweeps, "a CSV file")
    require_extra()

    from rich.console import Console

    from memrix.device.fitting import fit_device
    from memrix.device.fitting.columns import parse_renames

    settings = FitSettings(**{**given, "columns": parse_renames(given.get("columns", ()))})
    with Console(stderr=True).status("reading") as status:
        fitted = fit_device(sweeps, settings, status.update)
        from memrix.device.parameter_files import save_parameters

        save_parameters(fitted.parameters, output)
    _report(fitted)
    message(f"parameters: {output}")
    if json is not None:
        _write_goodness(fitted.goodness, json)
    Console().print(fitted.goodness.verdict, markup=False, highlight=False, soft_wrap=True)
    return EXIT_MISFIT if strict and not fitted.goodness.fits else 0


def _write_goodness(goodness: Goodness, path: Path) -> None:
    import json

    write_whole(path, f"{json.dumps(goodness.to_dict(), indent=1)}\n".encode())
    message(f"goodness of fit: {path}")


def _report(fitted: DeviceFit) -> None:
    from rich.console import Console

    from memrix.cli.device.goodness import print_goodness
    from memrix.cli.device.switching import switching_lines
    from memrix.device.fitting.few_devices import FEWEST_DEVICES

    print_goodness(fitted.goodness, fitted.parameters)
    for line in switching_lines(fitted.parameters):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)
    unswitched = fitted.measured.unswitched
    if unswitched:
        count = len(unswitched)
        shown = "; ".join(unswitched[:_SHOWN]) + ("; ..." if count > _SHOWN else "")
        message(f"{count} loop{'s' if count > 1 else ''} left out: {shown}")
    if fitted.assumptions:
        message(
            f"Fewer than {FEWEST_DEVICES} devices show no statistics: this is a parametric device, of means and "
            f"spreads. {'. '.join(fitted.assumptions)}. --order and --components do not apply."
        )
    else:
        _warn_of_small_components(fitted.goodness, fitted.parameters)


def _warn_of_small_components(goodness: Goodness, parameters: DeviceParameters) -> None:
    from memrix.device.fitting.sufficiency import DEVICES_PER_COMPONENT

    least = float(parameters.mixture_weights.min()) * goodness.devices
    if least < DEVICES_PER_COMPONENT:
        message(
            f"The smallest component of the mixture describes {least:.1f} devices, too few for its covariance, which "
            f"takes {DEVICES_PER_COMPONENT}: measure more devices, or give fewer --components."
        )
