"""`memrix device protocols`: what programming protocols do to weights on a device, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from memrix._support.documents import write_whole
from memrix._support.preset_names import SYNAPTOGEN
from memrix.cli.arguments import check_device
from memrix.cli.device.options import OUTPUT, DeviceName
from memrix.cli.messages import message
from memrix.cli.options import listed
from memrix.cli.outputs import check_output

if TYPE_CHECKING:
    from memrix.device import DeviceParameters

_INTRODUCTION = """\
# Programming protocols

Made by `memrix device protocols --output {path}`, for the device `{source}`: {weights:,} normally distributed
weights, quantized with one scale for all, programmed by each protocol in each mapping that it supports. Wires are
ideal (0 ohm).

- *spread*: standard deviation of the current at {vmax:g} V of cells with one target, in units of the current of a
  nominal ON cell of reset-set. A nominal OFF cell of reset-set carries {off:.3f} of it.
- *weight error*: root mean square of programmed minus target weights, in units of the largest weight.
- *cells*, *pulses*, *pJ*: per weight. Energy is the sum of U * I * width over all pulses of {width:g} ns.
- *failed*: cells that did not pass the last verification.

The ADC gain is computed from the cells: the difference of an ON and an OFF cell at full voltage reads 1 at
{gain:.0f} readings per A after reset-set at {paper:g} V (arXiv 2505.24721 measured 8020).

The second table shows single levels of the closed-loop ramp (`reset-ramp`), as shares of the ON current; *missed*
cells are further than 0.05 from the median.

The third table shows how many cells a reading would switch: per 10,000 cells of one target, those with a SET
threshold at or above a negative voltage, or a RESET threshold below a positive one, counted over {disturbed:,} cells
each.
Signed inputs drive word lines to either sign of `dac.vmax`: 0.4 V in the presets `physical`, `tuned` and `realistic`,
0.6 V in `paper`. A cell that a ramp has programmed to ON is no longer fully SET, so it can be SET.
`memrix.summary` counts these cells of a chip, and with `device.read_disturb` readings switch them. The measured
thresholds do not depend on time: a reading that is shorter than the pulses of the measurement may disturb less.

"""


def protocols(
    params: DeviceName = SYNAPTOGEN,
    *,
    output: Annotated[Path | None, OUTPUT] = None,
    weight_bits: str = "3,6",
    weights: int = 1 << 16,
    seed: int = 0,
) -> None:
    """Compare programming protocols and mappings: cell spread, weight error, cells, pulses and energy.

    Parameters
    ----------
    output
        Markdown file to write the tables to. By default they are printed.
    weight_bits
        Bits per weight, separated by commas.
    weights
        Number of weights to program.
    seed
        Seed of the weights, the chip and programming.
    """
    bits = listed("--weight-bits", [weight_bits], int)
    check_output(output)
    check_device(params)

    from memrix._support.validation import require_integer
    from memrix.device import load_parameters
    from memrix.studies.programming import study_programming

    require_integer("--weights", weights, 2, 1 << 24)
    require_integer("--seed", seed, 0, 1 << 31)
    parameters = load_parameters(params)
    study = study_programming(
        parameters,
        weight_bits=bits,
        weights=weights,
        seed=seed,
        progress=lambda name: message(f"programming by {name}"),
    )
    if output is None:
        print(study.to_markdown(), end="")
        return
    write_whole(output, (_introduction(output, params, parameters, weights) + study.to_markdown()).encode())
    message(f"tables: {output}")


def _introduction(path: Path, source: str, parameters: DeviceParameters, weights: int) -> str:
    from memrix.crossbar import ResetSet
    from memrix.device import CellCurrent
    from memrix.hardware import Hardware
    from memrix.studies.programming import disturbed_cells

    volts, paper = Hardware().dac.vmax, Hardware.preset("paper")
    current = CellCurrent(parameters)
    on, off = ResetSet().nominal_states(parameters)
    return _INTRODUCTION.format(
        path=path,
        source=source,
        weights=weights,
        off=current.of(off, volts) / current.of(on, volts),
        width=ResetSet().pulse_width * 1e9,
        gain=paper.circuit.gain(parameters, (on, off)),
        vmax=volts,
        paper=paper.dac.vmax,
        disturbed=disturbed_cells(weights),
    )
