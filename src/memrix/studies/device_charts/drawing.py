"""All charts of a device technology, from its parameters to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from memrix._support.charts import save_chart
from memrix.crossbar.protocols import ProgrammingProtocol
from memrix.device import DeviceParameters
from memrix.studies.device_behavior import current_voltage_loops, feature_history, protocol_currents
from memrix.studies.device_charts.features import draw_features
from memrix.studies.device_charts.loops import draw_loops
from memrix.studies.device_charts.memory import draw_memory
from memrix.studies.device_charts.protocols import PROTOCOLS, TEST_VOLTAGE, draw_protocols, levels_of

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Population:
    """What is simulated for the charts.

    Attributes:
        loop_devices: whose loops are drawn, eight at most.
        loop_cycles: of each of them.
        devices, cycles: whose features are drawn.
        cells: that each protocol programs to each level.
        protocols: by the titles of their panels.
    """

    loop_devices: int = 8
    loop_cycles: int = 10
    devices: int = 1000
    cycles: int = 1000
    cells: int = 50_000
    protocols: Mapping[str, ProgrammingProtocol] = field(default_factory=lambda: PROTOCOLS)


def draw_device(
    parameters: DeviceParameters,
    folder: Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    population: Population | None = None,
) -> list[Path]:
    """Draw what a device technology is, in four charts; takes about ten seconds.

    Args:
        parameters: the device technology.
        folder: for ``iv_loops.png``, ``features.png``, ``protocols.png`` and ``memory.png``; made if it is missing.
        seed: of devices and cycles.
        progress: called with what is done next.
        population: that is drawn; by default ``Population()``.

    Returns:
        The files that were written.

    Raises:
        DataError: a file cannot be written.
        SettingsError: the seed is not an integer from 0.
    """
    drawn = population or Population()
    tell = progress or (lambda name: None)
    tell("sweeping devices")
    loops = current_voltage_loops(parameters, drawn.loop_devices, drawn.loop_cycles, seed=seed)
    paths = [save_chart(draw_loops(loops, parameters), folder / "iv_loops.png")]
    tell("switching devices back and forth")
    history = feature_history(parameters, drawn.devices, drawn.cycles, seed=seed)
    paths.append(save_chart(draw_features(history, parameters), folder / "features.png"))
    currents = {}
    for name, protocol in drawn.protocols.items():
        tell(f"programming by {protocol.name}")
        currents[name] = protocol_currents(
            protocol,
            parameters,
            drawn.cells,
            levels=[level.level for level in levels_of(protocol)],
            voltage=TEST_VOLTAGE,
            seed=seed,
        )
    paths.append(save_chart(draw_protocols(currents, parameters), folder / "protocols.png"))
    tell("correlating cycles")
    paths.append(save_chart(draw_memory(history, parameters), folder / "memory.png"))
    return paths
