"""`memrix report`: results of studies, evaluations and a chip as one HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from memrix.cli.arguments import check_hardware, check_input, command
from memrix.cli.messages import message
from memrix.cli.options import options_from
from memrix.cli.outputs import check_distinct, check_output
from memrix.cli.study.functions import NAMED_METRICS, check_functions, function_of, made
from memrix.cli.study.layers import with_digital
from memrix.cli.study.model_study import ModelStudySettings
from memrix.errors import DataError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from memrix.hardware import Hardware

Page = Annotated[Path, Parameter(alias="-o", help="HTML file to write.")]
_TRAINED = ".safetensors"


@dataclass(frozen=True)
class ReportSettings(ModelStudySettings):
    """A chip, and the title of the page.

    Attributes:
        chip: file of a chip that memrix.save has written, to show states of its cells and wires of a tile.
        hardware: a preset, or a TOML or JSON file: the same of a chip that is programmed now.
        model: the model of the chip: function without arguments that returns it, as file.py:function; the name of a
            recognizer that comes with memrix, such as queen-small; or a file of one.
        batches: function without arguments that returns batches for the metric, as file.py:function. The chip is read
            with the inputs that the metric gives it, to show histograms of ADCs, energy and area.
        calibration: function without arguments that returns batches of inputs, to calibrate the model with, and to
            read the chip with where there are no batches.
        seed: seed of the chip that is programmed.
        digital: name patterns of layers that stay digital, separated by commas.
        title: of the page.
    """

    chip: str | None = None
    hardware: str | None = None
    digital: tuple[str, ...] = ()
    title: str = "memrix report"


@options_from(ReportSettings)
def report(given: dict[str, Any], *results: Path, output: Page) -> None:
    """Write results of studies and evaluations as one HTML page that works offline.

    The page shows what it finds: the metric over settings, chips, sensitivity of layers, causes of error, allocation
    of bits, word error rates, costs. With a chip, it shows states of cells and wires of a tile; with batches too,
    histograms of ADCs with their limits, energy and area. It says what it does not contain, and which command would
    add it.

    Parameters
    ----------
    results
        Folders and files of results: those that `memrix study`, `memrix evaluate` and `memrix experiment` write.
    """
    _check(given, results, output)

    from memrix.reporting.page import require_libraries

    require_libraries()

    import memrix

    chip, inputs = _chip_of(given) if "chip" in given or "hardware" in given else (None, None)
    title = given.get("title", ReportSettings.title)
    memrix.report(list(results), output, chip=chip, batches=inputs, title=title, command=command())
    message(f"report: {output}")


def _check(given: dict[str, Any], results: Sequence[Path], output: Path) -> None:
    """What is cheap to check is checked before torch is imported."""
    check_output(output)
    for path in results:
        if not path.exists():
            raise DataError(f"there is no folder or file {str(path)!r}; name folders or files of results")
    check_distinct(output, *results)
    asked = [name for name in ("chip", "hardware") if name in given]
    if not results and not asked:
        raise SettingsError("there is nothing to report; name folders or files of results, or give --chip")
    if len(asked) == 2:
        raise SettingsError("--chip and --hardware are both a chip; give one of them")
    if asked and "model" not in given:
        raise SettingsError(f"--{asked[0]} takes the model of the chip too: --model net.py:make_model")
    unused = [name for name in ("model", "batches", "metric", "calibration", "digital", "seed") if name in given]
    if unused and not asked:
        raise SettingsError(f"--{unused[0]} is of a chip, and there is none; give --chip or --hardware")
    if "chip" in given and (wrong := [name for name in ("digital", "seed") if name in given]):
        raise SettingsError(f"--{wrong[0]} is of a chip that is programmed; a saved one says it itself")
    check_input("--chip", Path(given["chip"]) if "chip" in given else None, "a chip that memrix.save has written")
    if "hardware" in given:
        check_hardware(given["hardware"])
    functions = {name: value for name, value in given.items() if name != "model" or ":" in value}
    check_functions(functions, required=())


def _chip_of(given: dict[str, Any]) -> tuple[nn.Module, Sequence[Any] | None]:
    """The chip, and inputs to read it with."""
    import memrix
    from memrix.hardware import Hardware
    from memrix.studies.metric import Metric
    from memrix.studies.preparation import Preparation

    hardware = Hardware.named(given["hardware"]) if "hardware" in given else None
    model, hardware = _opened(given["model"], hardware)
    name = given.get("metric", ReportSettings.metric)
    metric = Metric.of(name if name in NAMED_METRICS else function_of("--metric", name))
    batches = list(made("--batches", given["batches"])) if "batches" in given else []
    calibration = list(made("--calibration", given["calibration"])) if "calibration" in given else None
    inputs = Preparation(model, metric, batches, None).inputs if batches else calibration
    if hardware is None:
        return memrix.load(given["chip"], model), inputs
    hardware = with_digital(hardware, given.get("digital", ()))
    prepared = Preparation(model, metric, batches, inputs if calibration is None else calibration)
    if inputs is not None:
        prepared.calibrate([hardware])
    return memrix.program(prepared.model, hardware, seed=given.get("seed", ReportSettings.seed)), inputs


def _opened(name: str, hardware: Hardware | None) -> tuple[nn.Module, Hardware | None]:
    """A model, and the hardware that holds it: a recognizer keeps the integers and the layers of its training."""
    if ":" in name:
        return made("--model", name), hardware

    from memrix.asr.chips import as_trained
    from memrix.asr.recognizer_files import open_recognizer
    from memrix.asr.trained_recognizers import open_trained

    file = name
    if not name.endswith(_TRAINED):
        trained = open_trained(name)
        file = str(trained.low_bit[-1][1] if trained.low_bit else trained.floating)
    recognizer = open_recognizer(file)
    if hardware is not None:
        hardware = with_digital(as_trained(recognizer, hardware), recognizer.digital_layers)
    return recognizer.network, hardware
