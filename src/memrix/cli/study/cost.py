"""`memrix study cost`: energy, latency and area of one utterance on a chip."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from memrix._support.documents import write_whole
from memrix.asr.evaluation.settings import CostSettings
from memrix.cli.arguments import check_hardware, check_input, command
from memrix.cli.messages import message
from memrix.cli.options import JsonFile, Threads, options_from
from memrix.cli.outputs import check_results
from memrix.cli.threads import check_threads, use_threads

ChartFile = Annotated[Path | None, Parameter(help="Chart of the energy of each layer by cause: PNG, SVG or PDF.")]


@options_from(CostSettings)
def cost(
    given: dict[str, Any],
    hardware: str = "physical",
    /,
    *,
    json: JsonFile = None,
    chart: ChartFile = None,
    threads: Threads = None,
) -> None:
    """Measure what one utterance costs on a chip: energy by cause and layer, latency and area.

    Inputs of every layer are counted while a recognizer transcribes utterances one by one. The same products computed
    digitally at 8 bits are the reference.

    Parameters
    ----------
    hardware
        A preset, or a TOML or JSON file.
    """
    check_results(json, chart)
    check_threads(threads)
    check_hardware(hardware)
    for option in ("chip", "constants"):
        check_input(f"--{option}", Path(given[option]) if option in given else None, _FILES[option])

    from memrix.asr.corpora.prepared import open_corpus

    open_corpus(given.get("corpus", CostSettings.corpus))
    settings = CostSettings(**given)
    use_threads(threads)

    from memrix.asr.evaluation.costs import costs_of_utterances
    from memrix.cli.display import TerminalReporter
    from memrix.hardware import Hardware

    result = costs_of_utterances(settings, Hardware.named(hardware), TerminalReporter())
    print(f"{settings.chip or hardware}: {result.said}\n\n{result.costs}")
    if json is not None:
        write_whole(json, f"{dumps({**result.to_dict(), 'command': command()}, indent=2)}\n".encode())
        message(f"figures: {json}")
    if chart is not None:
        chip = Path(settings.chip).name if settings.chip else Path(hardware).stem
        what = f"one utterance of {result.seconds:.1f} s, {result.weight_bits:g}-bit weights, {chip}"
        from memrix._support.charts import save_chart
        from memrix.studies.cost_chart import draw_costs

        save_chart(draw_costs(result.costs, what), chart)
        message(f"chart: {chart}")


_FILES = {
    "chip": "a chip that memrix.save has written",
    "constants": "constants of costs, in the layout of memrix/costing/constants.toml",
}
